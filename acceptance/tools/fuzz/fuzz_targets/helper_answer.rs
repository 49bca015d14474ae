#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| signer::fuzzing::helper_answer(data));
