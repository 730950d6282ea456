"""DLMS/COSEM push (IEC 62056-5-3, -46, -47; EN 13757-3): framing, messages, values and lists into neutral records."""
