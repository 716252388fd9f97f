//! Compiles the `.proto` files with a pure-Rust compiler, so that building needs no `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for file in [
        "proto/loong/store/v1/store.proto",
        "proto/loong/wire/wire.proto",
    ] {
        println!("cargo::rerun-if-changed={file}");
    }
    let store = protox::compile(["proto/loong/store/v1/store.proto"], ["proto"])?;
    prost_build::Config::new()
        .skip_debug(["."])
        .compile_fds(store)?;
    if std::env::var_os("CARGO_FEATURE_WIRE").is_some() {
        let wire = protox::compile(["proto/loong/wire/wire.proto"], ["proto"])?;
        prost_build::Config::new().compile_fds(wire)?;
    }
    Ok(())
}
