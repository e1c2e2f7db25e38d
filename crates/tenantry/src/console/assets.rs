//! Style, scripts and pictures, embedded in the program. What is not ours stands in a folder with its licence.
//!
//! Each has an address that changes with its content, so that a browser keeps it for good.

use std::sync::LazyLock;

use ring::digest::{SHA256, digest};

use super::access::hexadecimal;

/// A file of the console.
pub(super) struct Asset {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) bytes: &'static [u8],
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

const ASSETS: &[Asset] = &[
    Asset { name: "console.css", kind: STYLE, bytes: include_bytes!("../../assets/console/console.css") },
    Asset { name: "console.js", kind: SCRIPT, bytes: include_bytes!("../../assets/console/console.js") },
    Asset { name: "charts.js", kind: SCRIPT, bytes: include_bytes!("../../assets/console/charts.js") },
    Asset { name: "sql.js", kind: SCRIPT, bytes: include_bytes!("../../assets/console/sql.js") },
    Asset { name: "icon.svg", kind: "image/svg+xml", bytes: include_bytes!("../../assets/console/icon.svg") },
    Asset {
        name: "uPlot.iife.min.js",
        kind: SCRIPT,
        bytes: include_bytes!("../../assets/console/uplot/uPlot.iife.min.js"),
    },
    Asset {
        name: "uPlot.min.css",
        kind: STYLE,
        bytes: include_bytes!("../../assets/console/uplot/uPlot.min.css"),
    },
];

/// Addresses by position.
static ADDRESSES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let address = |asset: &Asset| {
        let hash = digest(&SHA256, asset.bytes);
        format!("/assets/{}?v={}", asset.name, hexadecimal(&hash.as_ref()[..6]))
    };
    ASSETS.iter().map(address).collect()
});

/// The asset of this name.
pub(super) fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// Where a page finds it.
pub(super) fn address(name: &str) -> &'static str {
    let position = ASSETS.iter().position(|asset| asset.name == name);
    position.map_or("", |position| ADDRESSES[position].as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_ours_asks_another_host() {
        for asset in ASSETS.iter().filter(|asset| !asset.name.starts_with("uPlot")) {
            let text = std::str::from_utf8(asset.bytes).unwrap();
            let outside = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!outside.contains("http://") && !outside.contains("https://"), "{}", asset.name);
        }
    }

    #[test]
    fn the_library_comes_with_its_licence() {
        let licence = include_str!("../../assets/console/uplot/LICENSE");
        assert!(licence.contains("MIT License") && licence.contains("Leon Sorokin"));
        assert!(address("console.css").starts_with("/assets/console.css?v="));
    }
}
