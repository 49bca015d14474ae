//! X.509 certificates (RFC 5280), as far as signers, timestamp authorities and
//! certificate authorities use them.
