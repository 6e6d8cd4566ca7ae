//! Secret: a line that is typed and not shown.
//!
//! The terminal is asked to show nothing and to deliver each key (man 3 termios), Ctrl-C as well: so
//! it is put back into order whatever ends the question.

use std::io::{self, IsTerminal, Read, Write};

use ground::{Error, Result};
use nix::sys::termios::LocalFlags;

use super::terminal::Changed;

/// Asks for a line.
///
/// # Errors
/// Standard input is no terminal; Ctrl-C.
pub fn ask(question: &str) -> Result<String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(Error::new("cannot perform an interactive login from a non TTY device")
            .why("nobody can be asked for a password")
            .fix("mini-docker login -u NAME --password-stdin SERVER < FILE"));
    }
    let _silent = Changed::by(|terminal| {
        terminal.local_flags &= !(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
    })?;
    let mut stdout = io::stdout();
    // A person who does not see the question may still answer it.
    let _ = write!(stdout, "{question}").and_then(|()| stdout.flush());
    let typed = read_keys(&mut stdin.lock());
    let _ = writeln!(stdout);
    typed
}

fn read_keys(keys: &mut impl Read) -> Result<String> {
    let mut typed = Vec::new();
    let mut key = [0];
    loop {
        let count = keys
            .read(&mut key)
            .map_err(|error| Error::new("cannot ask for a password").io("read", &error))?;
        match key[0] {
            _ if count == 0 => break,
            b'\n' | b'\r' => break,
            // Ctrl-C and Ctrl-D.
            3 => return Err(Error::new("interrupted")),
            4 => break,
            8 | 127 => take_back(&mut typed),
            byte => typed.push(byte),
        }
    }
    Ok(String::from_utf8_lossy(&typed).into_owned())
}

/// The last character, which may be of several bytes.
fn take_back(typed: &mut Vec<u8>) {
    while let Some(byte) = typed.pop() {
        if byte & 0xc0 != 0x80 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_make_a_line() {
        let check = |typed: &str, expected: Option<&str>| {
            assert_eq!(read_keys(&mut typed.as_bytes()).ok().as_deref(), expected);
        };
        check("secret\nrest", Some("secret"));
        check("sex\u{7f}cret\r", Some("secret"));
        check("geh\u{e9}\u{7f}eim\n", Some("geheim"));
        check("\u{7f}x\n", Some("x"));
        check("all\u{4}", Some("all"));
        check("no\u{3}", None);
        check("", Some(""));
    }
}
