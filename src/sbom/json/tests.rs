use super::*;

fn check(bytes: &[u8]) -> Result<Remarks, JsonError> {
    let mut whole = Validator::default();
    let at_once = whole.feed(bytes).and_then(|()| whole.finish());
    let mut pieces = Validator::default();
    let piecewise = bytes
        .iter()
        .try_for_each(|byte| pieces.feed(&[*byte]))
        .and_then(|()| pieces.finish());
    assert_eq!(at_once, piecewise);
    at_once
}

fn reason(bytes: &[u8]) -> JsonFault {
    check(bytes).unwrap_err().reason
}

#[test]
fn objects_are_accepted() {
    for text in [
        "{}",
        " \t\r\n{ \"a\" : [ ] , \"b\" : { } }\n\n",
        r#"{"a":[1,-0,0.5,-1.25e+10,1E-3,true,false,null,"x",[[]],{"b":{}}]}"#,
        r#"{"":"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00é😀"}"#,
        "{\"\u{7f}\":\"\u{fffd}\u{10ffff}\u{d7ff}\u{e000}\"}",
    ] {
        assert_eq!(check(text.as_bytes()), Ok(Remarks::default()), "{text}");
    }
}

#[test]
fn what_is_not_one_object_is_refused_with_the_reason() {
    use JsonFault::*;
    let cases: [(&[u8], JsonFault); 38] = [
        (b"", NotAnObject),
        (b" ", NotAnObject),
        (b"[]", NotAnObject),
        (b"null", NotAnObject),
        (b"<bom/>", NotAnObject),
        (b"\xEF\xBB\xBF{}", ByteOrderMark),
        (b"{", Truncated),
        (b"{\"a\"", Truncated),
        (b"{\"a\":1", Truncated),
        (b"{\"a\":tru", Truncated),
        (b"{\"a\":\"\\u12", Truncated),
        (b"{}{}", Trailing),
        (b"{}\0", Trailing),
        (b"{,}", Unexpected),
        (b"{\"a\"}", Unexpected),
        (b"{\"a\":}", Unexpected),
        (b"{\"a\":1,}", Unexpected),
        (b"{\"a\":[1,]}", Unexpected),
        (b"{\"a\":[1}}", Unexpected),
        (b"{\"a\":{]}", Unexpected),
        (b"{a:1}", Unexpected),
        (b"{'a':1}", Unexpected),
        (b"{\"a\":NaN}", Unexpected),
        (b"{\"a\":Infinity}", Unexpected),
        (b"{\"a\":trUe}", Unexpected),
        (b"{\"a\":1/**/}", Unexpected),
        (b"{\"a\":01}", Unexpected),
        (b"{\"a\":+1}", Unexpected),
        (b"{\"a\":.5}", Unexpected),
        (b"{\"a\":-}", Number),
        (b"{\"a\":1.}", Number),
        (b"{\"a\":1e}", Number),
        (b"{\"a\":1e+}", Number),
        (b"{\"a\":-Infinity}", Number),
        (b"{\"a\":\"\n\"}", ControlCharacter),
        (b"{\"a\":\"\\x\"}", Escape),
        (b"{\"a\":\"\\u12g4\"}", Escape),
        (b"{\"a\":\"\\u+123\"}", Escape),
    ];
    for (bytes, expected) in cases {
        assert_eq!(
            reason(bytes),
            expected,
            "{}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[test]
fn utf8_is_judged_as_the_standard_library_judges_it() {
    let mut sequences: Vec<Vec<u8>> = (0x80..=0xFF).map(|a| vec![a]).collect();
    for first in 0xC0..=0xFFu8 {
        for second in [0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0] {
            sequences.push(vec![first, second]);
            sequences.push(vec![first, second, 0x80]);
            sequences.push(vec![first, second, 0x80, 0xBF]);
        }
    }
    for sequence in sequences {
        let text = [b"{\"".as_slice(), &sequence, b"\":0}"].concat();
        let valid = std::str::from_utf8(&sequence).is_ok();
        assert_eq!(check(&text).is_ok(), valid, "{sequence:x?}");
    }
}

#[test]
fn depth_is_bounded_without_recursion() {
    let nested = |depth: usize| {
        let mut text = b"{\"a\":".to_vec();
        text.extend(b"[".repeat(depth - 1));
        text.extend(b"]".repeat(depth - 1));
        text.push(b'}');
        text
    };
    assert!(check(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(reason(&nested(MAX_DEPTH + 1)), JsonFault::TooDeep);
    assert_eq!(reason(&nested(1_000_000)), JsonFault::TooDeep);
    let objects = "{\"a\":".repeat(MAX_DEPTH - 1) + "{}" + &"}".repeat(MAX_DEPTH - 1);
    assert!(check(objects.as_bytes()).is_ok());
}

#[test]
fn lone_surrogates_are_reported() {
    for (text, lone) in [
        (r#""\ud83d\ude00""#, false),
        (r#""\ud83d\ud83d\ude00""#, true),
        (r#""\ud83d""#, true),
        (r#""\ude00""#, true),
        (r#""\ud83d\n\ude00""#, true),
        (r#""\ud83dx""#, true),
        (r#""\ud83d\u0041""#, true),
        (r#""\ud83d\u0041\ude00""#, true),
        (r#""\ud83dé""#, true),
        (r#"["\ud83d","\ude00"]"#, true),
    ] {
        let text = format!("{{\"a\":{text}}}");
        assert_eq!(
            check(text.as_bytes()).unwrap().lone_surrogate,
            lone,
            "{text}"
        );
    }
}

#[test]
fn random_damage_is_judged_as_serde_json_judges_it() {
    let seed = br#"{"a":[1,-2.5e3,true,null,"x\u0041\n"],"b":{"c":"\\","d":[[],{}]}}"#;
    let mut random = fastrand::Rng::with_seed(7);
    let mut refused = 0;
    for _ in 0..20_000 {
        let mut bytes = seed.to_vec();
        for _ in 0..random.usize(1..3) {
            let at = random.usize(..bytes.len());
            match random.u8(..3) {
                0 => drop(bytes.remove(at)),
                1 => bytes[at] = *random.choice(b"{}[]\",:\\ 019.eE+-tnu\x80\n").unwrap(),
                _ => bytes.insert(at, *random.choice(b"{}[]\",:\\ 019.eE+-u").unwrap()),
            }
        }
        let theirs = serde_json::from_slice::<&serde_json::value::RawValue>(&bytes)
            .is_ok_and(|value| value.get().starts_with('{'));
        let ours = check(&bytes).is_ok();
        assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(&bytes));
        refused += usize::from(!ours);
    }
    assert!((1_000..20_000).contains(&refused), "{refused}");
}
