//! What the reader accepts, refuses and gives back, against `serde_json` where that has an opinion.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn document(text: &str) -> Json<'_> {
    Json::document(text.as_bytes()).unwrap()
}

#[test]
fn finds_members_and_elements() {
    let json = document(r#" {"a":1,"b":{"c":[true,null,"x"]},"a":2} "#);
    assert_eq!(json.get("a").unwrap().as_i64(), Some(2), "of duplicate members the last counts");
    let elements: Vec<_> =
        json.at("/b/c").unwrap().elements().map(|element| element.unwrap().kind()).collect();
    assert_eq!(elements, [Kind::Boolean, Kind::Null, Kind::String]);
    assert!(json.at("/b/d").is_none());
}

#[test]
fn text_that_is_no_text_becomes_the_replacement_character() {
    for (bytes, expected) in [
        (&br#""\ud800 x""#[..], "\u{fffd} x"),
        (br#""\ud83d\ude00""#, "\u{1f600}"),
        (br#""\ud800\u0041""#, "\u{fffd}A"),
        (b"\"\xff\xfe\"", "\u{fffd}\u{fffd}"),
        (br#""a\u0000b""#, "a\u{fffd}b"),
        (br#""\u12""#, "\u{fffd}12"),
        (br#""\n\t\"\\\/""#, "\n\t\"\\/"),
    ] {
        assert_eq!(
            Json::document(bytes).unwrap().text().unwrap(),
            expected,
            "{}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[test]
fn a_body_that_is_cut_short_is_an_error_at_every_length() {
    let whole = r#"{"a":[1,{"b":"c\"d"}],"e":tru"#.to_owned() + r#"e,"f":-1.5e3}"#;
    for length in 0..whole.len() {
        assert!(Json::document(&whole.as_bytes()[..length]).is_err(), "{}", &whole[..length]);
    }
    assert!(Json::document(whole.as_bytes()).is_ok());
    assert!(Json::document(b"{} {}").is_err());
    assert!(Json::document(b"<html>").is_err());
}

#[test]
fn nesting_has_no_limit() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let json = document(&deep);
    assert_eq!(json.elements().count(), 1);
    assert_eq!(json.compact().unwrap(), deep);
}

#[test]
fn whole_numbers() {
    for (text, expected) in [
        ("0", Some(0)),
        ("-7", Some(-7)),
        ("3.0", Some(3)),
        ("3e2", Some(300)),
        ("3.5", None),
        ("1e400", None),
        ("9223372036854775807", Some(i64::MAX)),
        ("9223372036854775808", None),
        ("123456789012345678901234567890", None),
    ] {
        assert_eq!(document(text).as_i64(), expected, "{text}");
    }
}

#[test]
fn compact_text_is_canonical_and_keeps_what_it_cannot_read() {
    for (text, expected) in [
        (r#"{ "b" : [ 1 , 2.50 ] , "a" : { } }"#, r#"{"b":[1,2.50],"a":{}}"#),
        (r#""\u00e9\/\u0041\u0000""#, "\"\u{e9}/A\\u0000\""),
        (r#"["\ud800",1e400,"[","{"]"#, r#"["\ud800",1e400,"[","{"]"#),
        (r"[[],{},[[]]]", r"[[],{},[[]]]"),
    ] {
        assert_eq!(document(text).compact().unwrap(), expected);
    }
    for wrong in
        ["[1 2]", "[1,]", "[,1]", r#"{"a" 1}"#, r#"{"a":}"#, "[truex]", "[1}", "{1:2}", "[01]", "[[1][2]]"]
    {
        assert!(Json::document(wrong.as_bytes()).and_then(Json::compact).is_err(), "{wrong}");
    }
}

#[test]
fn iterators_end_with_an_error_where_a_comma_is_missing() {
    let elements: Vec<_> = document("[[1][2]]").elements().collect();
    assert_eq!(elements.len(), 2);
    assert!(elements[0].is_ok() && elements[1].is_err());
    assert!(document(r#"{"a":{}"b":1}"#).members().any(|member| member.is_err()));
}

#[test]
fn secrets_are_masked_wherever_they_stand() {
    let text =
        r#"{"client_id":"c","client_secret":"s","deep":[{"client_secret":{"a":[1]}}],"x":"client_secret"}"#;
    let masked = document(text).compact_masked(&|name| name.contains("secret")).unwrap();
    assert_eq!(
        masked,
        r#"{"client_id":"c","client_secret":"***","deep":[{"client_secret":"***"}],"x":"client_secret"}"#
    );
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Eighths: serde_json, without its `float_roundtrip`, would round others.
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(".*", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Reads our view of a value back into a tree.
fn tree(json: Json<'_>) -> Value {
    match json.kind() {
        Kind::Null => Value::Null,
        Kind::Boolean => Value::from(json.as_bool().unwrap()),
        Kind::Number => serde_json::from_slice(json.bytes()).unwrap(),
        Kind::String => Value::from(json.text().unwrap().into_owned()),
        Kind::Array => json.elements().map(|element| tree(element.unwrap())).collect(),
        Kind::Object => Value::Object(
            json.members()
                .map(|member| member.map(|(name, value)| (name.text().into_owned(), tree(value))).unwrap())
                .collect(),
        ),
    }
}

fn without_nul(value: &Value) -> bool {
    !value.to_string().contains("\\u0000")
}

proptest! {
    #[test]
    fn reads_what_serde_json_writes(value in any_value().prop_filter("NUL is replaced", without_nul), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
        let json = Json::document(text.as_bytes()).unwrap();
        prop_assert_eq!(&tree(json), &value);
        prop_assert_eq!(serde_json::from_str::<Value>(&json.compact().unwrap()).unwrap(), value);
    }

    #[test]
    fn compact_agrees_with_serde_json_on_what_is_json(bytes in prop::collection::vec(prop_oneof![
        Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b'"'), Just(b':'), Just(b','), Just(b'1'), Just(b'a'), Just(b' '), Just(b'-')
    ], 0..12)) {
        let ours = Json::document(&bytes).and_then(Json::compact);
        prop_assert_eq!(ours.is_ok(), serde_json::from_slice::<Value>(&bytes).is_ok(), "{}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(json) = Json::document(&bytes) {
            let _ = (json.compact(), json.text(), json.as_i64(), json.members().count(), json.elements().count());
        }
    }
}
