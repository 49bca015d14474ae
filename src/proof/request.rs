//! Certificate signing requests (PKCS#10, RFC 2986).
