//! The device filter of cgroup v2: where v1 had a list of rules, v2 asks a program.
//!
//! The kernel runs it whenever a process of the group opens or makes a device node, with the kind
//! of device, the numbers and the access in its context; 1 allows, 0 is EPERM. The language is
//! eBPF: ten registers of 64 bits, and an instruction is 8 bytes. The program asks one exception of
//! the list after the other, and decides as v1's list does.
//!
//! Source: linux/bpf.h, `struct bpf_cgroup_dev_ctx`; cgroup-v2.rst, "Device controller"; bpf(2).

use super::{Kind, List, Rule};
use crate::sys::Instruction;

/// Registers: 0 is the verdict, 1 the context and then free.
const VERDICT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// linux/bpf_common.h and linux/bpf.h: class, size, mode, operation, source.
const LOAD_WORD: u8 = 0x61;
const AND: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const MOVE: u8 = 0xb7;
const MOVE_REGISTER: u8 = 0xbf;
const JUMP_EQUAL: u8 = 0x15;
const JUMP_NOT_EQUAL: u8 = 0x55;
const JUMP_NOT_EQUAL_REGISTER: u8 = 0x5d;
const EXIT: u8 = 0x95;

/// BPF_DEVCG_DEV_BLOCK, _CHAR; the bits of BPF_DEVCG_ACC_* are those of [`Access`].
const BLOCK: i32 = 1;
const CHAR: i32 = 2;

/// The program for this list.
pub(super) fn compile(list: &List) -> Vec<Instruction> {
    let mut program = vec![
        op(LOAD_WORD, KIND, CONTEXT, 0, 0),
        op(AND, KIND, 0, 0, 0xffff),
        op(LOAD_WORD, ACCESS, CONTEXT, 0, 0),
        op(SHIFT_RIGHT, ACCESS, 0, 0, 16),
        op(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        op(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    for exception in list.exceptions() {
        let tests = tests(exception);
        let length = tests.len();
        for (index, mut test) in tests.into_iter().enumerate() {
            if [JUMP_EQUAL, JUMP_NOT_EQUAL, JUMP_NOT_EQUAL_REGISTER].contains(&test.code) {
                // To the next exception: over the tests that are left and the two that return.
                test.offset = (length - index - 1 + 2) as i16;
            }
            program.push(test);
        }
        program.extend(verdict(exception.allow));
    }
    program.extend(verdict(list.allows_by_default()));
    program
}

/// What must hold for an exception; each jump leads to the next one.
fn tests(exception: &Rule) -> Vec<Instruction> {
    let kind = if exception.kind == Kind::Block { BLOCK } else { CHAR };
    let mut tests = vec![
        op(JUMP_NOT_EQUAL, KIND, 0, 0, kind),
        op(MOVE_REGISTER, CONTEXT, ACCESS, 0, 0),
        op(AND, CONTEXT, 0, 0, exception.access.0.into()),
        if exception.allow {
            // Everything that is asked for must be in what is allowed,
            op(JUMP_NOT_EQUAL_REGISTER, CONTEXT, ACCESS, 0, 0)
        } else {
            // and nothing in what is denied.
            op(JUMP_EQUAL, CONTEXT, 0, 0, 0)
        },
    ];
    for (register, number) in [(MAJOR, exception.major), (MINOR, exception.minor)] {
        if let Some(number) = number {
            // As the kernel's verifier reads it: 32 bits without a sign.
            tests.push(op(JUMP_NOT_EQUAL, register, 0, 0, number.cast_signed()));
        }
    }
    tests
}

fn verdict(allow: bool) -> [Instruction; 2] {
    [op(MOVE, VERDICT, 0, 0, allow.into()), op(EXIT, 0, 0, 0, 0)]
}

fn op(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers: from << 4 | to, offset, immediate }
}

#[cfg(test)]
mod tests {
    use super::{super::Access, *};

    /// What the kernel does with the program.
    fn judge(program: &[Instruction], kind: i32, access: i32, major: i64, minor: i64) -> bool {
        let context = [i64::from(access << 16 | kind), major, minor];
        let mut registers = [0i64; 16];
        let mut at = 0;
        loop {
            let Instruction { code, registers: pair, offset, immediate } = program[at];
            let (to, from) = (usize::from(pair & 15), usize::from(pair >> 4));
            at += 1;
            match code {
                LOAD_WORD => registers[to] = context[offset as usize / 4],
                AND => registers[to] &= i64::from(immediate),
                SHIFT_RIGHT => registers[to] >>= immediate,
                MOVE => registers[to] = immediate.into(),
                MOVE_REGISTER => registers[to] = registers[from],
                JUMP_EQUAL if registers[to] == i64::from(immediate) => at += offset as usize,
                JUMP_NOT_EQUAL if registers[to] != i64::from(immediate) => at += offset as usize,
                JUMP_NOT_EQUAL_REGISTER if registers[to] != registers[from] => {
                    at += offset as usize
                }
                JUMP_EQUAL | JUMP_NOT_EQUAL | JUMP_NOT_EQUAL_REGISTER => {}
                EXIT => return registers[0] == 1,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    /// The kernel's own list: what is written to `devices.allow` and `devices.deny`, line by line.
    struct Written {
        default: bool,
        exceptions: Vec<(String, String, String, u8)>,
    }

    impl Written {
        fn of(rules: impl IntoIterator<Item = Rule>) -> Self {
            let mut list = Self { default: true, exceptions: Vec::new() };
            rules.into_iter().for_each(|rule| list.write(rule.allow, &rule.line()));
            list
        }

        fn write(&mut self, allow: bool, line: &str) {
            let words: Vec<_> = line.split([' ', ':']).map(str::to_owned).collect();
            let [kind, major, minor, access] = words.try_into().unwrap();
            if kind == "a" {
                *self = Self { default: allow, exceptions: Vec::new() };
                return;
            }
            let access = Access::of(&access).unwrap().0;
            let same = |it: &&mut (String, String, String, u8)| {
                (&it.0, &it.1, &it.2) == (&kind, &major, &minor)
            };
            match (self.exceptions.iter_mut().find(same), allow == self.default) {
                (Some(there), true) => there.3 &= !access,
                (Some(there), false) => there.3 |= access,
                (None, true) => {}
                (None, false) => self.exceptions.push((kind, major, minor, access)),
            }
        }

        fn permits(&self, kind: i32, access: i32, major: u32, minor: u32) -> bool {
            let letter = if kind == BLOCK { "b" } else { "c" };
            let is = |ours: &str, number: u32| ours == "*" || ours == number.to_string();
            let mut named = self.exceptions.iter().filter(|(kind, of_major, of_minor, _)| {
                kind == letter && is(of_major, major) && is(of_minor, minor)
            });
            if self.default {
                named.all(|it| access & i32::from(it.3) == 0)
            } else {
                named.any(|it| access & !i32::from(it.3) == 0)
            }
        }
    }

    /// Every way to use each of the few devices that the random rules are about, and one more.
    fn every_access() -> impl Iterator<Item = (i32, i32, u32, u32)> {
        let numbers =
            |kind| (1..8).flat_map(move |access| (0..9).map(move |it| (kind, access, it)));
        [BLOCK, CHAR]
            .into_iter()
            .flat_map(numbers)
            .map(|(kind, access, it)| (kind, access, it / 3, it % 3))
    }

    /// Rules about two majors and two minors, or all; the numbers follow from the seed.
    fn random_rules(seed: u64) -> Vec<Rule> {
        let mut state = seed;
        let mut next = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let count = next(7) + 1;
        let rule = |_| {
            let allow = next(2) == 0;
            let kind = [Kind::All, Kind::Block, Kind::Char][next(7).min(2) as usize];
            if kind == Kind::All {
                return Rule { allow, ..Rule::EVERYTHING };
            }
            let mut number = || Some(next(6) as u32).filter(|it| *it < 4).map(|it| it % 2);
            let (major, minor) = (number(), number());
            Rule { allow, kind, major, minor, access: Access(next(7) as u8 + 1) }
        };
        (0..count).map(rule).collect()
    }

    /// What the last rule says that names this device and this way.
    fn last_says(rules: &[Rule], (kind, access, major, minor): (i32, i32, u32, u32)) -> bool {
        let names = |it: &&Rule| {
            let kinds = [(Kind::Block, BLOCK), (Kind::Char, CHAR)];
            (it.kind == Kind::All || kinds.contains(&(it.kind, kind)))
                && it.major.is_none_or(|it| it == major)
                && it.minor.is_none_or(|it| it == minor)
                && i32::from(it.access.0) & access != 0
        };
        rules.iter().rev().find(names).is_none_or(|it| it.allow)
    }

    #[test]
    fn the_program_decides_as_the_kernels_own_list() {
        let (mut tried, mut refused) = (0, 0);
        for seed in 0..4000 {
            let rules = random_rules(seed);
            let Ok(list) = List::of(&rules) else {
                refused += 1;
                continue;
            };
            let (program, written) = (compile(&list), Written::of(list.rules()));
            let as_given = Written::of(rules.iter().copied());
            let wide = rules.iter().any(|it| {
                it.kind != Kind::All
                    && (it.major, it.minor) != (it.major.or(Some(0)), it.minor.or(Some(0)))
            });
            for asked in every_access() {
                let (kind, access, major, minor) = asked;
                let allowed = judge(&program, kind, access, major.into(), minor.into());
                assert_eq!(
                    allowed,
                    written.permits(kind, access, major, minor),
                    "{asked:?} {rules:?}"
                );
                if !wide {
                    let given = as_given.permits(kind, access, major, minor);
                    assert_eq!(allowed, given, "{asked:?} {rules:?}");
                }
                if access.count_ones() == 1 {
                    assert_eq!(allowed, last_says(&rules, asked), "{asked:?} {rules:?}");
                }
                tried += 1;
            }
        }
        assert!(tried > 100_000 && refused > 100, "{tried} tried, {refused} lists refused");
    }

    #[test]
    fn a_partial_denial_holds_for_whoever_asks_for_more() {
        let fuse = |allow, access| {
            let (major, minor) = (Some(10), Some(229));
            Rule { allow, kind: Kind::Char, major, minor, access: Access::of(access).unwrap() }
        };
        let nothing = Rule { allow: false, ..Rule::EVERYTHING };
        let list = |rules: &[Rule]| compile(&List::of(rules).unwrap());
        let (read, write) = (2, 4);
        let program = list(&[nothing, fuse(true, "rwm"), fuse(false, "w")]);
        assert!(judge(&program, CHAR, read, 10, 229));
        assert!(!judge(&program, CHAR, write, 10, 229));
        assert!(!judge(&program, CHAR, read | write, 10, 229));
        let program = list(&[nothing, fuse(true, "r"), fuse(true, "w")]);
        assert!(judge(&program, CHAR, read | write, 10, 229));
        let program = list(&[Rule::EVERYTHING, fuse(false, "w")]);
        assert!(!judge(&program, CHAR, read | write, 10, 229));
        assert!(judge(&program, CHAR, read, 10, 229));
    }

    #[test]
    fn what_no_rule_names_is_allowed() {
        assert!(judge(&compile(&List::of(&[]).unwrap()), CHAR, 2, 1, 1));
    }
}
