//! What people and programs see: results on stdout, messages on stderr, colour only where it can be seen.
//!
//! Decides nothing about what is said. Text of the tenant's own passes through [`text::visible`] before it reaches a terminal.

pub(crate) mod progress;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod values;

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use crate::error::CommandError;

/// How labels and headings are painted; stripped again where colour does not belong.
pub(crate) const HEADING: Style = Style::new().bold();
/// What went well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What needs a look.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// What failed.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What to do next.
pub(crate) const ADVICE: Style = AnsiColor::Cyan.on_default().bold();
/// What matters least.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// `text` in `style`.
pub(crate) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Writes a result to stdout.
pub(crate) fn print(text: &str) -> Result<(), CommandError> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Writes one JSON value and a line end to stdout.
pub(crate) fn print_json(value: &Value) -> Result<(), CommandError> {
    print(&format!("{value:#}\n"))
}

/// Writes a message to stderr. A stderr that is gone is nobody's problem.
pub(crate) fn message(text: &str) {
    let mut err = anstream::stderr().lock();
    drop(writeln!(err, "{text}"));
}

/// Writes a warning to stderr.
pub(crate) fn warn(text: &str) {
    message(&format!("{} {text}", paint(WARNING, "warning:")));
}

/// Writes a hint to stderr.
pub(crate) fn hint(text: &str) {
    message(&format!("{} {text}", paint(ADVICE, "hint:")));
}

/// Shows an error on stderr.
pub(crate) fn show_error(error: &CommandError) {
    let label = |label: &str| match label {
        "error:" => paint(BAD, label),
        "hint:" => paint(ADVICE, label),
        other => paint(FAINT, other),
    };
    let mut err = anstream::stderr().lock();
    drop(err.write_all(error.render(label).as_bytes()));
}

/// Whether stderr is a terminal that lines can be redrawn on.
pub(crate) fn can_redraw() -> bool {
    use io::IsTerminal as _;
    // anstream knows NO_COLOR and TERM=dumb: where it would paint, cursor movement works as well.
    io::stderr().is_terminal() && anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}
