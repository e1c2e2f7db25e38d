//! Invented names of people, companies, applications and machines.
//!
//! Lists and picks alone. Mail addresses end in example.com, example.org or example.net, addresses of machines lie
//! in the ranges set aside for documentation, telephone numbers in the fictional 555-01xx block.

use crate::random::{Random, mix};

/// Given names: as written, and in ASCII for a mail address.
const GIVEN: &[(&str, &str)] = &[
    ("Haruka", "haruka"),
    ("Kenji", "kenji"),
    ("Zoë", "zoe"),
    ("Łukasz", "lukasz"),
    ("Amara", "amara"),
    ("Diego", "diego"),
    ("Freya", "freya"),
    ("Noor", "noor"),
    ("Tomás", "tomas"),
    ("Ingrid", "ingrid"),
    ("Priya", "priya"),
    ("Olu", "olu"),
    ("Mei", "mei"),
    ("Jonas", "jonas"),
    ("Élodie", "elodie"),
    ("Rafael", "rafael"),
    ("Siobhán", "siobhan"),
    ("Yusuf", "yusuf"),
    ("Ana", "ana"),
    ("Viktor", "viktor"),
    ("Leilani", "leilani"),
    ("Mateo", "mateo"),
    ("Greta", "greta"),
    ("陽菜", "hina"),
    ("Kofi", "kofi"),
    ("Saoirse", "saoirse"),
    ("Björn", "bjorn"),
    ("Aisha", "aisha"),
    ("Pavel", "pavel"),
    ("Nadia", "nadia"),
    ("Emeka", "emeka"),
    ("Chiara", "chiara"),
    ("Hugo", "hugo"),
    ("Marta", "marta"),
    ("Dmitri", "dmitri"),
    ("Wanjiru", "wanjiru"),
    ("Oskar", "oskar"),
    ("Linh", "linh"),
    ("Farid", "farid"),
    ("Astrid", "astrid"),
];

const FAMILY: &[(&str, &str)] = &[
    ("Sato", "sato"),
    ("Okafor", "okafor"),
    ("Lindqvist", "lindqvist"),
    ("Moreau", "moreau"),
    ("Nakamura", "nakamura"),
    ("O'Brien", "obrien"),
    ("García Ruiz", "garciaruiz"),
    ("Novák", "novak"),
    ("Adeyemi", "adeyemi"),
    ("Fischer", "fischer"),
    ("Haddad", "haddad"),
    ("Kowalski", "kowalski"),
    ("Nguyen", "nguyen"),
    ("Rossi", "rossi"),
    ("Petrov", "petrov"),
    ("van Dijk", "vandijk"),
    ("Mbeki", "mbeki"),
    ("Silva", "silva"),
    ("Tanaka", "tanaka"),
    ("Johansen", "johansen"),
    ("Mwangi", "mwangi"),
    ("Bauer", "bauer"),
    ("Costa", "costa"),
    ("山本", "yamamoto"),
    ("Kaya", "kaya"),
    ("Larsen", "larsen"),
    ("Demir", "demir"),
    ("Ivanova", "ivanova"),
    ("Murphy", "murphy"),
    ("Szabó", "szabo"),
    ("Virtanen", "virtanen"),
    ("Dubois", "dubois"),
    ("Marino", "marino"),
    ("Choi", "choi"),
    ("Popescu", "popescu"),
    ("Weber", "weber"),
    ("Hernández", "hernandez"),
    ("Owusu", "owusu"),
    ("Kimura", "kimura"),
    ("Lund", "lund"),
];

const COMPANY: &[&str] = &[
    "Aster",
    "Borealis",
    "Cobalt",
    "Driftwood",
    "Ember",
    "Fathom",
    "Granite",
    "Harbor",
    "Indigo",
    "Juniper",
    "Kestrel",
    "Lumen",
    "Meridian",
    "Northwind",
    "Orchard",
    "Pinecrest",
    "Quarry",
    "Riverbend",
    "Sable",
    "Tundra",
];

const TRADE: &[&str] = &[
    "Freight",
    "Analytics",
    "Clinics",
    "Robotics",
    "Textiles",
    "Foods",
    "Energy",
    "Insurance",
    "Studios",
    "Bank",
    "Logistics",
    "Pharma",
    "Airways",
    "Schools",
    "Hotels",
    "Telecom",
    "Mining",
    "Legal",
    "Games",
    "Motors",
];

const APPLICATION: &[&str] = &[
    "Storefront",
    "Mobile App",
    "Partner Portal",
    "Back Office",
    "Billing Worker",
    "Support Desk",
    "Data Pipeline",
    "Status Page",
    "Kiosk",
    "Field Tablet",
    "Admin Console",
    "Reporting",
    "Webhook Relay",
    "Chat Widget",
];

pub(crate) const USER_AGENTS: &[(&str, bool)] = &[
    ("Chrome 141.0.0 / Windows 10.0.0", false),
    ("Chrome 141.0.0 / Mac OS X 15.6.0", false),
    ("Safari 18.6.0 / Mac OS X 15.6.0", false),
    ("Mobile Safari 18.6.0 / iOS 18.6.0", true),
    ("Chrome Mobile 141.0.0 / Android 15.0.0", true),
    ("Firefox 143.0.0 / Ubuntu 24.4.0", false),
    ("Edge 141.0.0 / Windows 10.0.0", false),
];

/// A person's names, all derived from one number.
pub(crate) struct Person {
    pub(crate) given: &'static str,
    pub(crate) family: &'static str,
    /// `haruka.sato`
    pub(crate) mailbox: String,
}

pub(crate) fn person(seed: u64) -> Person {
    let mut random = Random::new(seed);
    let (given, given_ascii) = *random.pick(GIVEN);
    let (family, family_ascii) = *random.pick(FAMILY);
    Person { given, family, mailbox: format!("{given_ascii}.{family_ascii}") }
}

/// The nth company: a readable name; all different below 8,000.
pub(crate) fn company(n: usize) -> String {
    let (a, b) = (n % COMPANY.len(), n / COMPANY.len());
    let trade = TRADE[(a * 7 + b) % TRADE.len()];
    let round = b / TRADE.len();
    if round == 0 {
        format!("{} {trade}", COMPANY[a])
    } else {
        format!("{} {trade} {}", COMPANY[a], round + 1)
    }
}

/// `Aster Freight` -> `aster-freight`, the form that an organization's name must have.
pub(crate) fn slug(name: &str) -> String {
    name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-")
}

/// The nth application's name; all different.
pub(crate) fn application(n: usize) -> String {
    let name = APPLICATION[n % APPLICATION.len()];
    if n < APPLICATION.len() { name.into() } else { format!("{name} {}", company(n / APPLICATION.len() - 1)) }
}

/// An address from a documentation range; about one in seven is IPv6.
pub(crate) fn ip(seed: u64) -> String {
    let n = mix(seed);
    if n.is_multiple_of(7) {
        return format!("2001:db8:{:x}:{:x}::{:x}", n >> 48, (n >> 32) & 0xffff, (n >> 16) & 0xffff);
    }
    let range = ["192.0.2", "198.51.100", "203.0.113"][(n >> 8) as usize % 3];
    format!("{range}.{}", 1 + (n >> 24) % 254)
}

pub(crate) fn mail_domain(seed: u64) -> &'static str {
    ["example.com", "example.org", "example.net"][mix(seed) as usize % 3]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn companies_and_applications_never_repeat() {
        let companies: BTreeSet<_> = (0..5_000).map(|n| slug(&company(n))).collect();
        assert_eq!(companies.len(), 5_000);
        let applications: BTreeSet<_> = (0..5_000).map(application).collect();
        assert_eq!(applications.len(), 5_000);
    }
}
