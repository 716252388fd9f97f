//! What the workspace may depend on, read from the package graph itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// Each crate of ours and those of ours that it may name.
const ALLOWED: [(&str, &[&str]); 6] = [
    ("loong-proto", &[]),
    ("bridge-core", &["loong-proto"]),
    ("wa-web", &["bridge-core", "loong-proto"]),
    ("ilink-client", &["bridge-core", "loong-proto"]),
    (
        "loong-cli",
        &["bridge-core", "ilink-client", "loong-proto", "wa-web"],
    ),
    (
        "loong-tests",
        &[
            "bridge-core",
            "ilink-client",
            "loong-cli",
            "loong-proto",
            "wa-web",
        ],
    ),
];

/// The crates that may name the WhatsApp protocol library or its family.
const NAMES_WHATSAPP: [&str; 2] = ["wa-web", "loong-tests"];

/// Licences that a binary under MIT OR Apache-2.0 can be combined with.
const LICENCES: [&str; 13] = [
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "CC0-1.0",
    "Unicode-3.0",
    "Unlicense",
    "MPL-2.0",
    "CDLA-Permissive-2.0",
    "MIT-0",
];

fn cargo(args: &[&str]) -> anyhow::Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(env!("CARGO"))
        .args(args)
        .current_dir(root)
        .output()
        .context("running cargo")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// The graph for this machine: what other platforms need may never have been
/// downloaded here.
fn metadata() -> anyhow::Result<Value> {
    let version = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("running rustc")?;
    let version = String::from_utf8(version.stdout)?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc names its host")?;
    let text = cargo(&[
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--offline",
        "--filter-platform",
        host,
    ])?;
    Ok(serde_json::from_str(&text)?)
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

fn is_ours(package: &Value) -> bool {
    package["source"].is_null()
}

#[test]
fn dependencies_point_one_way() -> anyhow::Result<()> {
    let metadata = metadata()?;
    let allowed: BTreeMap<_, _> = ALLOWED.into_iter().collect();
    let ours: BTreeSet<&str> = packages(&metadata)
        .filter(|p| is_ours(p))
        .filter_map(|p| p["name"].as_str())
        .collect();
    assert_eq!(
        ours,
        allowed.keys().copied().collect(),
        "the list above is complete"
    );
    for package in packages(&metadata).filter(|p| is_ours(p)) {
        let name = package["name"].as_str().context("a package has a name")?;
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let on = dependency["name"]
                .as_str()
                .context("a dependency has a name")?;
            if ours.contains(on) {
                assert!(
                    allowed[name].contains(&on),
                    "{name} must not depend on {on}"
                );
            }
            let family = on == "whatsapp-rust" || on.starts_with("wacore") || on == "waproto";
            assert!(
                !family || NAMES_WHATSAPP.contains(&name),
                "{name} must not name {on}; that is the business of {NAMES_WHATSAPP:?}"
            );
            assert!(
                !family || dependency["uses_default_features"] == false,
                "{name} must switch the default features of {on} off"
            );
        }
    }
    Ok(())
}

#[test]
fn everything_comes_from_the_registry_under_a_fitting_licence() -> anyhow::Result<()> {
    let metadata = metadata()?;
    for package in packages(&metadata).filter(|p| !is_ours(p)) {
        let name = package["name"].as_str().unwrap_or_default();
        let source = package["source"].as_str().unwrap_or_default();
        assert!(
            source.starts_with("registry+"),
            "{name} comes from {source}"
        );
        let licence = package["license"]
            .as_str()
            .unwrap_or_default()
            .replace('/', " OR ");
        // An expression is fine if one of its alternatives consists of licences above.
        let fits = licence.split(" OR ").any(|alternative| {
            alternative.split(" AND ").all(|part| {
                let part = part.trim_matches(|c| " ()".contains(c));
                let part = part.split(" WITH ").next().unwrap_or(part);
                LICENCES.contains(&part)
            })
        });
        assert!(fits, "{name} is under {licence:?}");
    }
    Ok(())
}

#[test]
fn the_shipped_binary_checks_certificates_and_links_no_foreign_database_or_tls()
-> anyhow::Result<()> {
    let graph = cargo(&[
        "tree",
        "--locked",
        "--offline",
        "-p",
        "loong-cli",
        "-e",
        "features,normal,build",
        "--prefix",
        "none",
    ])?;
    assert!(
        graph.contains("whatsapp-rust v0.7.0"),
        "the graph is the right one"
    );
    for banned in ["danger", "sqlite", "openssl-sys", "native-tls", "aws-lc"] {
        let found: Vec<_> = graph.lines().filter(|line| line.contains(banned)).collect();
        assert!(found.is_empty(), "{banned}: {found:?}");
    }
    Ok(())
}

#[test]
fn only_the_tests_package_can_switch_the_certificate_check_off() -> anyhow::Result<()> {
    let metadata = metadata()?;
    for package in packages(&metadata).filter(|p| is_ours(p)) {
        let name = package["name"].as_str().unwrap_or_default();
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let features = dependency["features"].to_string();
            assert!(
                name == "loong-tests" || !features.contains("danger"),
                "{name} enables {features}"
            );
        }
    }
    Ok(())
}
