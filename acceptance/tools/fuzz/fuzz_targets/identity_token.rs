#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| signer::fuzzing::identity_token(data));
