//! Timestamps (RFC 3161): requests, responses, and whether a response holds.
