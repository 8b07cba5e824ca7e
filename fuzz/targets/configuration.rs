#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    kit::oracle::configuration::check(bytes);
});
