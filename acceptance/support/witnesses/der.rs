//! As much of DER as a certificate log needs: elements one after the other, and
//! their lengths.

/// An element with its tag and length, as it stands.
pub type Element<'a> = &'a [u8];

/// The tag, the contents, and what follows the element.
fn first(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (tag, length) = (der[0], usize::from(der[1]));
    let (head, length) = match length {
        0..0x80 => (2, length),
        _ => {
            let end = 2 + (length & 0x7f);
            let bytes = der[2..end].iter();
            (
                end,
                bytes.fold(0, |sum, &byte| sum << 8 | usize::from(byte)),
            )
        }
    };
    let (contents, rest) = der[head..].split_at(length);
    (tag, contents, rest)
}

/// The elements of which an element consists.
pub fn inside(element: Element<'_>) -> Vec<Element<'_>> {
    let (_tag, mut rest, _after) = first(element);
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (_tag, _contents, after) = first(rest);
        let (element, after) = rest.split_at(rest.len() - after.len());
        found.push(element);
        rest = after;
    }
    found
}

/// The contents of an element.
pub fn contents(element: Element<'_>) -> &[u8] {
    first(element).1
}

/// An element with this tag.
pub fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let mut all = vec![tag];
    match u8::try_from(length) {
        Ok(short @ 0..0x80) => all.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
            let bytes = &bytes[zeros..];
            all.push(0x80 | u8::try_from(bytes.len()).expect("a short length"));
            all.extend_from_slice(bytes);
        }
    }
    all.extend_from_slice(contents);
    all
}
