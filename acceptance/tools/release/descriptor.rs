//! `lifecycle.toml`, which says what a lifecycle's tarball supports
//! (buildpacks/lifecycle v0.21, `lifecycle.toml`; read by `pack builder create`).

use std::ffi::OsStr;

use signer::cli::platform_api::negotiate;

/// No Platform API has come near this minor version.
const MINORS: u32 = 1000;

/// Every Platform API that the signer agrees to, oldest first.
pub fn platform_apis() -> Vec<String> {
    let versions = (0..MINORS).map(|minor| format!("0.{minor}"));
    versions
        .filter(|version| negotiate(Some(OsStr::new(version))).is_ok())
        .collect()
}

/// The descriptor. The signer runs no buildpacks, so it names no Buildpack API;
/// a lifecycle that takes the signer in keeps its own descriptor.
pub fn lifecycle_toml(version: &str) -> String {
    let apis: Vec<_> = platform_apis()
        .iter()
        .map(|version| format!("\"{version}\""))
        .collect();
    format!(
        "[apis]\n[apis.platform]\n  deprecated = []\n  supported = [{}]\n\n\
         [lifecycle]\n  version = \"{version}\"\n",
        apis.join(", ")
    )
}
