"""A device's key in a TPM, a secure element or any other token that speaks PKCS#11."""
