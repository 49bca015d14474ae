//! Identity tokens (OpenID Connect): where they come from, and what they say.
