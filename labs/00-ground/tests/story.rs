//! One story, told as text and as events.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ground::{Error, Evidence, Explanation, Lesson, Look, Narrator, Outcome, Result, Scene, Table};

struct Stage {
    opened: u32,
}

fn lesson() -> Lesson<Stage> {
    let call = || Explanation::new("uname({..})", "the kernel knows its own name", "2 uname");
    Lesson {
        lab: "lab-00",
        title: "a story",
        point: "Scenes follow each other.",
        scenes: vec![
            Scene::new("Ask the kernel", [call()], |stage| {
                let table = Table::new(["opened"]).row([stage.opened]);
                Ok(Evidence::new("it was opened once").table(table).into())
            }),
            Scene::new("Ask for too much", [], |_| {
                Ok(Outcome::NotHere(Error::new("cannot do it").fix("do something else")))
            }),
        ],
    }
}

fn tell(look: Look) -> (Result<()>, String) {
    let mut out = Vec::new();
    let result = lesson().play(&mut Narrator::new(&mut out, look), || Ok(Stage { opened: 1 }));
    (result, String::from_utf8(out).unwrap())
}

#[test]
fn a_story_as_text() {
    let (result, text) = tell(Look::default());
    result.unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn a_story_as_events() {
    let (result, text) = tell(Look { json: true, ..Look::default() });
    result.unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn a_plan_opens_no_stage() {
    let mut out = Vec::new();
    let look = Look { explain: true, ..Look::default() };
    let closed = || Err(Error::new("the stage was opened"));
    lesson().play(&mut Narrator::new(&mut out, look), closed).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
}

#[test]
fn a_reader_that_goes_away_ends_the_story_quietly() {
    struct Gone;
    impl std::io::Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut gone = Gone;
    let mut narrator = Narrator::new(&mut gone, Look::default());
    lesson().play(&mut narrator, || Ok(Stage { opened: 1 })).unwrap();
}
