//! A verdict: passed, or what was seen, what was expected, and which note belongs to that mistake.

use ground::Error;
use serde_json::{Value, json};

/// A mistake that the grader saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The note of the exercise that belongs to it.
    pub note: String,
    /// What the kernel said.
    pub saw: String,
    /// What it would have said.
    pub expected: String,
    /// What whoever made it would have noticed: refused calls, the program's words, its status.
    pub symptom: String,
}

/// Why an exercise is not passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The learner's program does something else than it should.
    Mistake(Finding),
    /// This machine cannot play it.
    NotHere(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::NotHere(error)
    }
}

/// The end of a grading.
pub type Verdict = Result<(), Refusal>;

/// A mistake with its note.
///
/// # Errors
/// Always.
pub fn mistake<T>(
    note: &str,
    saw: impl Into<String>,
    expected: impl Into<String>,
) -> Result<T, Refusal> {
    let (note, saw, expected) = (note.to_owned(), saw.into(), expected.into());
    Err(Refusal::Mistake(Finding { note, saw, expected, symptom: String::new() }))
}

/// A mistake with its note, unless `holds`.
///
/// # Errors
/// The mistake.
pub fn expect(
    holds: bool,
    note: &str,
    saw: impl Into<String>,
    expected: impl Into<String>,
) -> Verdict {
    if holds { Ok(()) } else { mistake(note, saw, expected) }
}

/// As one line for the process that asked.
pub fn to_json(verdict: &Verdict) -> Value {
    match verdict {
        Ok(()) => json!({ "passed": true }),
        Err(Refusal::Mistake(Finding { note, saw, expected, symptom })) => {
            json!({ "note": note, "saw": saw, "expected": expected, "symptom": symptom })
        }
        Err(Refusal::NotHere(error)) => json!({ "error": error.to_json() }),
    }
}

/// What [`to_json`] wrote.
pub fn from_json(value: &Value) -> Verdict {
    if value.get("passed").is_some() {
        return Ok(());
    }
    if let Some(error) = value.get("error") {
        return Err(Refusal::NotHere(Error::from_json(error)));
    }
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (note, saw, expected) = (text("note"), text("saw"), text("expected"));
    Err(Refusal::Mistake(Finding { note, saw, expected, symptom: text("symptom") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_survives_the_way_through_json() {
        let mut seen = mistake("n", "a", "b");
        if let Err(Refusal::Mistake(finding)) = &mut seen {
            finding.symptom = "status 1\n".to_owned();
        }
        let verdicts = [Ok(()), seen, Err(Error::new("no").into())];
        for verdict in verdicts {
            assert_eq!(from_json(&to_json(&verdict)), verdict);
        }
    }
}
