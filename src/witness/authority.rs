//! Certificate authorities (Fulcio v2 API): a certificate for a key of this run.
