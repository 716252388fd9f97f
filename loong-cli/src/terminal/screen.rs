//! A QR code with a countdown that stays in its place on a terminal.

use std::io::{self, Write};

use crossterm::{
    cursor::MoveToPreviousLine,
    queue,
    style::{Color, Print, ResetColor, SetBackgroundColor, SetForegroundColor},
    terminal::{Clear, ClearType},
};

use super::qr::Matrix;

/// Lines around the code: the countdown, and the one that the cursor is in.
const EXTRA: usize = 2;

/// What is drawn at the moment. Draws to a terminal only.
#[derive(Debug)]
pub struct Screen {
    colour: bool,
    drawn: Option<Drawn>,
}

#[derive(Debug)]
struct Drawn {
    matrix: Matrix,
    size: (u16, u16),
    /// Lines above the cursor that are ours.
    lines: u16,
}

impl Screen {
    /// Nothing is drawn yet; `colour` lets the code be dark on light whatever
    /// the colours of the terminal.
    #[must_use]
    pub const fn new(colour: bool) -> Self {
        Self {
            colour,
            drawn: None,
        }
    }

    /// Draws `matrix` with a countdown, in the place of what was there; or, in a
    /// window that is too small, what to do about it.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub fn show(
        &mut self,
        out: &mut dyn Write,
        matrix: &Matrix,
        size: (u16, u16),
        seconds: u64,
    ) -> io::Result<()> {
        let mut text = self.erasure()?;
        let (columns, rows) = (usize::from(size.0), usize::from(size.1));
        let fits = columns >= matrix.columns() && rows >= matrix.rows() + EXTRA;
        let above = if fits {
            for line in matrix.lines() {
                self.code_line(&mut text, &line)?;
            }
            matrix.rows()
        } else {
            let advice = too_small(matrix, size);
            queue!(text, Print(format!("{advice}\r\n")))?;
            // It wraps in a narrow window.
            advice.chars().count().div_ceil(columns.max(1))
        };
        queue!(text, Print(format!("{}\r\n", countdown(seconds))))?;
        put(out, &text)?;
        self.drawn = Some(Drawn {
            matrix: matrix.clone(),
            size,
            lines: u16::try_from(above + 1).unwrap_or(u16::MAX),
        });
        Ok(())
    }

    /// Brings the countdown up to date; draws anew if the window has changed.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub fn tick(&mut self, out: &mut dyn Write, size: (u16, u16), seconds: u64) -> io::Result<()> {
        match &self.drawn {
            None => Ok(()),
            Some(drawn) if drawn.size != size => {
                let matrix = drawn.matrix.clone();
                // The terminal has moved the old lines about; leave them.
                self.drawn = None;
                self.show(out, &matrix, size, seconds)
            }
            Some(_) => {
                let mut text = Vec::new();
                queue!(
                    text,
                    MoveToPreviousLine(1),
                    Clear(ClearType::CurrentLine),
                    Print(format!("{}\r\n", countdown(seconds)))
                )?;
                put(out, &text)
            }
        }
    }

    /// Takes the code off the screen.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub fn erase(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let text = self.erasure()?;
        put(out, &text)
    }

    /// What takes the code off the screen; nothing if there is none.
    fn erasure(&mut self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        if let Some(drawn) = self.drawn.take() {
            queue!(
                text,
                MoveToPreviousLine(drawn.lines),
                Clear(ClearType::FromCursorDown)
            )?;
        }
        Ok(text)
    }

    fn code_line(&self, out: &mut Vec<u8>, line: &str) -> io::Result<()> {
        if self.colour {
            queue!(
                out,
                SetForegroundColor(Color::Rgb {
                    r: 255,
                    g: 255,
                    b: 255
                }),
                SetBackgroundColor(Color::Rgb { r: 0, g: 0, b: 0 }),
                Print(line),
                ResetColor,
                Print("\r\n")
            )
        } else {
            queue!(out, Print(line), Print("\r\n"))
        }
    }
}

/// In one piece, so that nothing flickers.
fn put(out: &mut dyn Write, text: &[u8]) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    out.write_all(text)?;
    out.flush()
}

fn countdown(seconds: u64) -> String {
    match seconds {
        0 => "the next code is on its way".to_owned(),
        seconds => format!("scan within {seconds} s; a new code follows"),
    }
}

fn too_small(matrix: &Matrix, size: (u16, u16)) -> String {
    format!(
        "the QR code needs {}x{}, the window has {}x{}: enlarge it, or use --qr-png or --pairing-code",
        matrix.columns(),
        matrix.rows() + EXTRA,
        size.0,
        size.1
    )
}
