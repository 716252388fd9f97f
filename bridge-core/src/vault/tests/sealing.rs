use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::super::{Batch, SpaceId, VaultError};
use super::{Result, key, open, scratch};

const A: SpaceId = SpaceId::new(0x41);
const B: SpaceId = SpaceId::new(0x42);

#[tokio::test]
async fn records_come_back_after_reopening() -> Result {
    let (_dir, options) = scratch()?;
    let vault = open(&options, 1)?;
    let (a, b) = (vault.space(A), vault.space(B));
    let mut batch = vault.batch();
    a.put(&mut batch, &a.named(&[b"chat", b"1"]), b"one");
    a.put(&mut batch, &a.named(&[b"chat", b"2"]), b"");
    b.put(&mut batch, &b.ordered(7), b"seven");
    vault.apply_durable(batch).await?;
    a.delete_durable(&a.named(&[b"chat", b"2"])).await?;
    drop((a, b));
    vault.close()?;

    let vault = open(&options, 1)?;
    let (a, b) = (vault.space(A), vault.space(B));
    assert_eq!(
        a.get(&a.named(&[b"chat", b"1"]))?
            .as_deref()
            .map(Vec::as_slice),
        Some(&b"one"[..])
    );
    assert!(!a.contains(&a.named(&[b"chat", b"2"]))?);
    assert!(!b.contains(&b.named(&[b"chat", b"1"]))?, "spaces are apart");
    let found: Vec<_> = b.scan_all().collect::<std::result::Result<_, _>>()?;
    assert_eq!(
        found.first().and_then(|(name, _)| name.as_ordered()),
        Some(7)
    );
    Ok(())
}

#[test]
fn a_value_under_another_name_is_refused() -> Result {
    let (_dir, options) = scratch()?;
    let vault = open(&options, 1)?;
    let (a, b) = (vault.space(A), vault.space(B));
    let mut batch = vault.batch();
    a.put(&mut batch, &a.ordered(1), b"text");
    vault.apply(batch)?;
    let db = &vault.0.disk.db;
    let sealed = db
        .get([1, 0x41, 0, 0, 0, 0, 0, 0, 0, 1])?
        .ok_or("the key layout changed")?;
    db.insert([1, 0x41, 0, 0, 0, 0, 0, 0, 0, 2], &sealed)?;
    db.insert([1, 0x42, 0, 0, 0, 0, 0, 0, 0, 1], &sealed)?;
    assert!(matches!(
        a.get(&a.ordered(2)),
        Err(VaultError::Corrupt { .. })
    ));
    assert!(matches!(
        b.get(&b.ordered(1)),
        Err(VaultError::Corrupt { .. })
    ));
    assert!(
        a.scan_all()
            .any(|row| matches!(row, Err(VaultError::Corrupt { .. })))
    );

    for cut in 0..sealed.len() {
        db.insert(
            [1, 0x41, 0, 0, 0, 0, 0, 0, 0, 1],
            sealed.get(..cut).unwrap_or_default(),
        )?;
        assert!(
            matches!(a.get(&a.ordered(1)), Err(VaultError::Corrupt { .. })),
            "cut at {cut}"
        );
    }
    Ok(())
}

#[test]
fn a_wrong_key_is_refused_and_harmless() -> Result {
    let (_dir, options) = scratch()?;
    let vault = open(&options, 1)?;
    let a = vault.space(A);
    let mut batch = vault.batch();
    a.put(&mut batch, &a.ordered(1), b"text");
    vault.apply(batch)?;
    drop(a);
    vault.close()?;
    assert!(matches!(open(&options, 2), Err(VaultError::WrongKey)));
    let a = open(&options, 1)?.space(A);
    assert!(a.contains(&a.ordered(1))?);
    Ok(())
}

#[test]
fn a_held_lock_names_its_holder() -> Result {
    let (_dir, options) = scratch()?;
    let _vault = open(&options, 1)?;
    let Err(VaultError::Locked { dir, holder }) = open(&options, 1) else {
        return Err("opened twice".into());
    };
    assert_eq!(dir, options.dir);
    let holder = holder.ok_or("no holder")?;
    assert_eq!(holder.pid, std::process::id());
    assert!(!holder.program.is_empty());
    Ok(())
}

#[test]
fn nothing_on_disk_is_readable() -> Result {
    let (_dir, options) = scratch()?;
    std::fs::create_dir(&options.dir)?;
    std::fs::set_permissions(&options.dir, PermissionsExt::from_mode(0o755))?;
    let vault = open(&options, 1)?;
    let a = vault.space(A);
    let mut batch = vault.batch();
    a.put(
        &mut batch,
        &a.named(&[b"15551234567@s.whatsapp.net"]),
        b"a very private text",
    );
    vault.apply(batch)?;
    drop(a);
    vault.close()?;
    // The second opening writes a snapshot file.
    open(&options, 1)?.close()?;
    let files = files(&options.dir)?;
    assert!(files.len() >= 3, "{files:?}");
    for path in &files {
        let mode = path.metadata()?.permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
        if path.is_file() {
            let bytes = std::fs::read(path)?;
            for secret in [&b"15551234567"[..], b"private"] {
                let shown = bytes.windows(secret.len()).any(|window| window == secret);
                assert!(!shown, "{} shows it", path.display());
            }
        }
    }
    Ok(())
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![dir.to_owned()];
    for entry in dir.read_dir()? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

#[test]
fn secrets_do_not_print() {
    let shown = format!("{:?}", key(0x41));
    assert_eq!(shown, "MasterKey(…)");
}

#[test]
fn a_batch_that_cannot_be_sealed_changes_nothing() -> Result {
    let (_dir, options) = scratch()?;
    let vault = open(&options, 1)?;
    let a = vault.space(A);
    let parts: Vec<&[u8]> = vec![b"x"; 300];
    let mut batch = Batch::default();
    a.put(&mut batch, &a.ordered(1), b"text");
    a.put(&mut batch, &a.named(&parts), b"text");
    assert!(matches!(
        vault.apply(batch),
        Err(VaultError::Corrupt { .. })
    ));
    assert!(!a.contains(&a.ordered(1))?);
    Ok(())
}
