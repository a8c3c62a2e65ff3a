#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| codex_dispatch_fuzz::handler_status(data));
