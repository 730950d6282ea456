"""A DLMS/COSEM client (IEC 62056-46, -47, -53, -62), sans-io: links, association, reads. It sets clocks alone."""
