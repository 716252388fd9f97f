//! QR codes as text, two rows of modules per line.

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code. Readers want four; phones are content with two
/// on a screen, and a window has few rows.
const QUIET: usize = 2;

/// Why there is no QR code.
#[derive(Debug, thiserror::Error)]
#[error("the code does not fit into a QR code: {0}")]
pub struct QrError(#[from] qrcode::types::QrError);

/// A square of modules.
#[derive(Clone)]
pub struct Matrix {
    side: usize,
    dark: Vec<bool>,
}

// The modules are the code, and the code links an account.
impl std::fmt::Debug for Matrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Matrix({} modules wide)", self.side)
    }
}

impl Matrix {
    /// Encodes `text` with the least redundancy, for the fewest rows.
    ///
    /// # Errors
    /// When `text` is longer than any QR code holds.
    pub fn encode(text: &str) -> Result<Self, QrError> {
        let code = QrCode::with_error_correction_level(text, EcLevel::L)?;
        Ok(Self {
            side: code.width(),
            dark: code
                .to_colors()
                .into_iter()
                .map(|c| c == Color::Dark)
                .collect(),
        })
    }

    /// Modules per side, without a margin.
    #[must_use]
    pub const fn side(&self) -> usize {
        self.side
    }

    /// Whether the module is dark; outside of the square nothing is.
    #[must_use]
    pub fn is_dark(&self, row: usize, column: usize) -> bool {
        row < self.side
            && column < self.side
            && self
                .dark
                .get(row * self.side + column)
                .copied()
                .unwrap_or(false)
    }

    /// Columns of the drawing.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.side + 2 * QUIET
    }

    /// Lines of the drawing.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.columns().div_ceil(2)
    }

    /// The drawing: blocks are light, blanks are dark, as a terminal with light
    /// text on dark ground shows it.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let dark = |row: usize, column: usize| {
            row >= QUIET && column >= QUIET && self.is_dark(row - QUIET, column - QUIET)
        };
        // Below an odd last row there is nothing; drawn as ground.
        let lower = |row: usize, column: usize| row >= self.columns() || dark(row, column);
        (0..self.rows())
            .map(|line| {
                let top = line * 2;
                (0..self.columns())
                    .map(|column| match (dark(top, column), lower(top + 1, column)) {
                        (false, false) => '█',
                        (false, true) => '▀',
                        (true, false) => '▄',
                        (true, true) => ' ',
                    })
                    .collect()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As long as the codes that WhatsApp's companions show.
    fn sample() -> String {
        let part = "A".repeat(44);
        format!("2@{},{part},{part},{part},1", "B".repeat(88))
    }

    #[test]
    fn a_linking_code_fits_into_an_ordinary_window() {
        let matrix = Matrix::encode(&sample()).expect("a QR code");
        assert!(matrix.rows() <= 36, "{} rows", matrix.rows());
        assert!(matrix.columns() <= 80, "{} columns", matrix.columns());
        let lines = matrix.lines();
        assert_eq!(lines.len(), matrix.rows());
        assert!(
            lines
                .iter()
                .all(|line| line.chars().count() == matrix.columns())
        );
    }

    #[test]
    fn the_drawing_has_the_modules_of_the_code() {
        let matrix = Matrix::encode("loong").expect("a QR code");
        let lines: Vec<Vec<char>> = matrix.lines().iter().map(|l| l.chars().collect()).collect();
        for row in 0..matrix.side() {
            for column in 0..matrix.side() {
                let (r, c) = (row + QUIET, column + QUIET);
                let glyph = lines[r / 2][c];
                let drawn = if r % 2 == 0 {
                    "▄ ".contains(glyph)
                } else {
                    "▀ ".contains(glyph)
                };
                assert_eq!(drawn, matrix.is_dark(row, column), "{row},{column}");
            }
        }
    }
}
