//! The header of a program (ELF, 64 bits, little-endian).

const PT_INTERP: u32 = 3;

/// The machine: 62 is x86-64, 183 is arm64.
pub fn machine(program: &[u8]) -> u16 {
    assert_eq!(program[..6], *b"\x7fELF\x02\x01", "no such program");
    u16::from_le_bytes(program[18..20].try_into().unwrap())
}

/// The dynamic linker that the program asks for; none if it is static.
pub fn interpreter(program: &[u8]) -> Option<String> {
    machine(program);
    let long = |place: usize| {
        let bytes = program[place..place + 8].try_into().unwrap();
        usize::try_from(u64::from_le_bytes(bytes)).unwrap()
    };
    let short = |place: usize| usize::from(program[place]) + 256 * usize::from(program[place + 1]);
    let (table, size, count) = (long(32), short(54), short(56));
    let headers = (0..count).map(|number| table + number * size);
    let is_interpreter = |at: &usize| program[*at..*at + 4] == PT_INTERP.to_le_bytes();
    headers.into_iter().find(is_interpreter).map(|at| {
        let (from, length) = (long(at + 8), long(at + 32));
        let name = &program[from..from + length];
        String::from_utf8_lossy(name)
            .trim_end_matches('\0')
            .to_owned()
    })
}

/// The sections by name: a stripped program has no `.symtab`.
pub fn sections(program: &[u8]) -> Vec<String> {
    let long = |place: usize| {
        let bytes = program[place..place + 8].try_into().unwrap();
        usize::try_from(u64::from_le_bytes(bytes)).unwrap()
    };
    let short = |place: usize| usize::from(program[place]) + 256 * usize::from(program[place + 1]);
    let (table, size, count, names) = (long(40), short(58), short(60), short(62));
    let names = long(table + names * size + 24);
    let name = |number: usize| {
        let at = names + long(table + number * size) % (1 << 32);
        let end = program[at..].iter().position(|&byte| byte == 0).unwrap();
        String::from_utf8_lossy(&program[at..at + end]).into_owned()
    };
    (0..count).map(name).collect()
}
