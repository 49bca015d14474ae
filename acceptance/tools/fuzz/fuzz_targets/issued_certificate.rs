#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| signer::fuzzing::issued_certificate(data));
