#!/bin/sh
# Builds the module for wasm32-wasip1 with the first toolchain that can: the target is installed; rustup can
# install it; or Debian's packages, which build the standard library from its source.
# With the argument crash-test: the module that `make soak` takes down, in target/crash-test.
set -eu
cd "$(dirname "$0")/.."
target=wasm32-wasip1
# Without the rlib, which tests need, the linker can drop a seventh more.
what="--release"
[ "${1:-}" != crash-test ] || what="--profile crash-test --features crash-test --target-dir target/crash-test"
what="$what --lib --crate-type cdylib --target $target"
# A panic names its file. Without the folder of this machine's crates, every machine makes the same bytes.
remap="target.$target.rustflags=['--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=/registry']"

if ! [ -d "$(rustc --print target-libdir --target $target 2>/dev/null)" ]; then
    rustup target add $target || echo "build: rustup cannot install $target; trying Debian's packages" >&2
fi
if [ -d "$(rustc --print target-libdir --target $target 2>/dev/null)" ]; then
    exec cargo rustc --locked --config "$remap" $what
fi

if ! [ -d /usr/lib/wasm32-wasi ] || ! [ -x /usr/bin/rustc ] || ! [ -d /usr/src/rustc-* ]; then
    packages="rustc-web cargo-web rust-web-src wasi-libc lld"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && apt-get install -qq --no-install-recommends $packages
    else
        echo "build: no Rust for $target. Install rustup, or: apt-get install --no-install-recommends $packages" >&2
        exit 1
    fi
fi
exec env RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
    CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="-C target-feature=+simd128 -L/usr/lib/wasm32-wasi" \
    /usr/bin/cargo rustc --locked --config "$remap" -Zbuild-std=std,panic_abort $what
