use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::super::master_key::{KeyError, KeyPlaces, KeySource, create, promote, stage};
use super::super::{MasterKey, Vault, VaultOptions};
use super::Result;

fn places(dir: &Path) -> KeyPlaces {
    KeyPlaces {
        credential: None,
        named: None,
        generated: dir.join("keys").join("master.key"),
    }
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result {
    fs::write(path, bytes)?;
    Ok(fs::set_permissions(path, PermissionsExt::from_mode(mode))?)
}

/// The key in `path`, read as one that the operator named.
fn read(path: &Path) -> std::result::Result<MasterKey, KeyError> {
    let named = Some(path.to_owned());
    let places = KeyPlaces {
        credential: None,
        named,
        generated: PathBuf::new(),
    };
    let found = places.load()?;
    found
        .map(|found| found.key)
        .ok_or_else(|| KeyError::Missing {
            path: path.to_owned(),
        })
}

#[test]
fn every_form_of_a_key_is_understood() -> Result {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("key");
    let bytes: [u8; 32] = std::array::from_fn(|n| 0xe8 + u8::try_from(n % 24).unwrap_or_default());
    let hex = hex::encode(bytes);
    let standard = "6Onq6+zt7u/w8fLz9PX29/j5+vv8/f7/6Onq6+zt7u8=";
    let url_safe = standard.replace('+', "-").replace('/', "_");
    for form in [
        bytes.to_vec(),
        hex.clone().into_bytes(),
        format!("  {}\r\n", hex.to_uppercase()).into_bytes(),
        format!("{standard}\n").into_bytes(),
        standard.trim_end_matches('=').into(),
        url_safe.clone().into_bytes(),
        url_safe.trim_end_matches('=').into(),
    ] {
        write(&path, &form, 0o600)?;
        assert_eq!(
            read(&path)?.expose_key_bytes(),
            &bytes,
            "{}",
            String::from_utf8_lossy(&form)
        );
    }
    let short = hex.get(..62).ok_or("short")?.to_owned();
    for wrong in ["", "\n", &short, &(hex + "00"), "AAAA", "not a key"] {
        write(&path, wrong.as_bytes(), 0o600)?;
        assert!(
            matches!(read(&path), Err(KeyError::Malformed { .. })),
            "{wrong:?}"
        );
    }
    write(&path, &[7; 5000], 0o600)?;
    assert!(matches!(read(&path), Err(KeyError::Malformed { .. })));
    Ok(())
}

#[test]
fn a_key_that_others_can_read_is_refused() -> Result {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("key");
    for mode in [0o640, 0o604, 0o644, 0o660] {
        write(&path, &[1; 32], mode)?;
        let Err(error @ KeyError::TooOpen { .. }) = read(&path) else {
            return Err(format!("mode {mode:o} was accepted").into());
        };
        let shown = error.to_string();
        assert!(
            shown.contains(&format!("{mode:04o}")) && shown.contains("chmod 600"),
            "{shown}"
        );
        assert!(shown.ends_with(&path.display().to_string()), "{shown}");
    }
    write(&path, &[1; 32], 0o400)?;
    read(&path)?;
    Ok(())
}

#[test]
fn sources_have_an_order() -> Result {
    let dir = tempfile::tempdir()?;
    let mut places = places(dir.path());
    assert!(places.load()?.is_none());
    let generated = places.load_or_generate()?;
    assert_eq!(
        generated.source,
        KeySource::Generated(places.generated.clone())
    );

    let named = dir.path().join("named");
    places.named = Some(named.clone());
    assert!(
        matches!(places.load(), Err(KeyError::Missing { .. })),
        "a named file must exist"
    );
    assert!(matches!(
        places.load_or_generate(),
        Err(KeyError::Missing { .. })
    ));
    write(&named, &[2; 32], 0o600)?;
    assert_eq!(
        places.load()?.ok_or("none")?.source,
        KeySource::Named(named)
    );

    places.credential = Some((dir.path().to_owned(), "cred".to_owned()));
    assert!(matches!(
        places.load()?.ok_or("none")?.source,
        KeySource::Named(_)
    ));
    let credential = dir.path().join("cred");
    write(&credential, &[3; 32], 0o440)?;
    let found = places.load()?.ok_or("none")?;
    assert_eq!(found.source, KeySource::Credential(credential));
    assert_eq!(found.key.expose_key_bytes(), &[3; 32]);
    Ok(())
}

#[test]
fn a_generated_key_is_private_and_stays() -> Result {
    let dir = tempfile::tempdir()?;
    let places = places(dir.path());
    let first = places.load_or_generate()?;
    let again = places.load_or_generate()?;
    assert_eq!(first.key.expose_key_bytes(), again.key.expose_key_bytes());
    let mode = |path: &Path| {
        path.metadata()
            .map(|meta| meta.permissions().mode() & 0o777)
    };
    assert_eq!(mode(&places.generated)?, 0o600);
    assert_eq!(mode(&dir.path().join("keys"))?, 0o700);
    assert!(matches!(
        create(&places.generated),
        Err(KeyError::Exists { .. })
    ));
    let names = fs::read_dir(dir.path().join("keys"))?.count();
    assert_eq!(names, 1, "no drafts are left");
    let other = super::key(9);
    assert_ne!(first.key.expose_key_bytes(), other.expose_key_bytes());
    Ok(())
}

/// Kills nothing, but stops after each part of a rotation, as a kill would.
#[test]
fn a_rotation_of_a_key_file_may_stop_between_its_parts() -> Result {
    let dir = tempfile::tempdir()?;
    let options = VaultOptions::new(dir.path().join("store"));
    let places = places(dir.path());
    let path = &places.generated;
    let reopen = || -> Result {
        let found = places.load()?.ok_or("no key")?;
        Ok(Vault::open_any(&options, &found.candidates())?.close()?)
    };
    Vault::open(&options, &places.load_or_generate()?.key)?.close()?;
    assert!(matches!(promote(path), Err(KeyError::Missing { .. })));

    let staged = stage(path)?;
    reopen()?;
    assert_eq!(
        stage(path)?.expose_key_bytes(),
        staged.expose_key_bytes(),
        "used again"
    );
    Vault::rotate(&options, &places.load()?.ok_or("no key")?.key, &staged)?;
    reopen()?;
    promote(path)?;
    reopen()?;
    let found = places.load()?.ok_or("no key")?;
    assert!(found.staged.is_none());
    assert_eq!(found.key.expose_key_bytes(), staged.expose_key_bytes());
    Ok(())
}
