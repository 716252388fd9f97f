//! QR codes as picture files that only their owner can read.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufWriter, ErrorKind},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::qr::Matrix;

/// Pixels per module.
const SCALE: usize = 8;
/// Light modules around the code, as readers want it.
const QUIET: usize = 4;

/// A file that shows the current code, and is gone when there is none.
#[derive(Debug)]
pub struct QrFile {
    path: PathBuf,
    written: bool,
}

impl QrFile {
    /// Nothing is written yet.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self {
            path,
            written: false,
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts `matrix` into the file: mode 0600, complete or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn show(&mut self, matrix: &Matrix) -> io::Result<()> {
        let mut draft = self.path.as_os_str().to_owned();
        draft.push(format!(".{}.tmp", std::process::id()));
        let draft = PathBuf::from(draft);
        // One of an earlier process with the same id would be in the way.
        remove(&draft)?;
        let written = write(&draft, matrix).and_then(|()| fs::rename(&draft, &self.path));
        if written.is_err() {
            remove(&draft)?;
        }
        self.written |= written.is_ok();
        written
    }

    /// Removes the file, if there was ever a code in it.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn clear(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.written) {
            remove(&self.path)?;
        }
        Ok(())
    }
}

impl Drop for QrFile {
    fn drop(&mut self) {
        if let Err(error) = self.clear() {
            tracing::warn!(%error, path = %self.path.display(), "the picture of the code is still there");
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write(path: &Path, matrix: &Matrix) -> io::Result<()> {
    let side = (matrix.side() + 2 * QUIET) * SCALE;
    let module = |pixel: usize| (pixel / SCALE).checked_sub(QUIET);
    let mut pixels = vec![u8::MAX; side * side];
    for (place, pixel) in pixels.iter_mut().enumerate() {
        if let (Some(row), Some(column)) = (module(place / side), module(place % side))
            && matrix.is_dark(row, column)
        {
            *pixel = 0;
        }
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let width = u32::try_from(side).map_err(io::Error::other)?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), width, width);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut picture = encoder.write_header()?;
    picture.write_image_data(&pixels)?;
    Ok(picture.finish()?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_picture_is_private_replaced_and_removed() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("code.png");
        let mut file = QrFile::new(path.clone());
        for code in ["first", "second"] {
            let matrix = Matrix::encode(code).expect("a QR code");
            file.show(&matrix).expect("the picture is written");
            let meta = fs::metadata(&path).expect("it is there");
            assert_eq!(meta.permissions().mode() & 0o777, 0o600);
            let open = io::BufReader::new(fs::File::open(&path).expect("readable"));
            let mut reader = png::Decoder::new(open).read_info().expect("a picture");
            let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
            let info = reader.next_frame(&mut pixels).expect("pixels");
            assert_eq!(info.width as usize, (matrix.side() + 2 * QUIET) * SCALE);
            // The corner of the first finder pattern, and the margin before it.
            let at = |x: usize, y: usize| pixels[y * info.width as usize + x];
            assert_eq!(at(QUIET * SCALE, QUIET * SCALE), 0);
            assert_eq!(at(QUIET * SCALE - 1, QUIET * SCALE), 255);
        }
        assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 1);
        file.clear().expect("removed");
        assert!(!path.exists());
    }

    #[test]
    fn a_file_of_someone_else_is_not_removed() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("mine.png");
        fs::write(&path, "mine").expect("a file");
        drop(QrFile::new(path.clone()));
        assert!(path.exists());
    }
}
