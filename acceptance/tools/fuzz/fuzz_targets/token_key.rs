#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| signer::fuzzing::token_key(data));
