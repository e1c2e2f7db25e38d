//! Texts: times, and what people write.

use tenantry::decoders;
use tenantry_replication::normalize::parse_timestamp;

/// The years 0001 to 9999, in microseconds from 1970: what every destination can hold.
const TIMES: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// A time as the tenant writes it.
pub(crate) fn timestamp(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Some(time) = parse_timestamp(text) {
        assert!(TIMES.contains(&time), "{text} became {time}");
    }
}

/// A project file.
pub(crate) fn config(input: &[u8]) {
    if let Ok(text) = str::from_utf8(input) {
        decoders::is_project_file(text);
    }
}

/// Selectors, one a line; those behind an empty line are exclusions.
pub(crate) fn selection(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let (select, exclude) = text.split_once("\n\n").unwrap_or((text, ""));
    let words = |text: &str| text.lines().map(str::to_owned).collect::<Vec<String>>();
    decoders::is_selection(&words(select), &words(exclude));
}
