//! Mirrors: registries that are asked first for what is at docker.io.
//!
//! A mirror need not have everything, and need not be there: then docker.io itself is asked. On a
//! machine without the internet there is nobody else, and what the mirrors said is the answer.
//!
//! Source: docs.docker.com, "Registry as a pull through cache".

use std::sync::atomic::Ordering;

use super::{
    Client, Error, Kind, Result,
    error::{Action, Subject},
    host::Host,
    request::{Answer, Ask},
};

impl Client {
    /// The mirrors, made ready on first use.
    fn mirrors(&self) -> &[Result<Host>] {
        self.mirrors.get_or_init(|| {
            let urls = self.options.mirrors.iter();
            urls.map(|url| Host::mirror(url, &self.options)).collect()
        })
    }

    /// Asks the mirrors, then `there`. Only what is read from docker.io has mirrors.
    pub(super) fn ask_mirrors_first(
        &self,
        ask: &Ask<'_>,
        expected: &[u16],
        there: impl FnOnce() -> Result<Answer>,
    ) -> Result<Answer> {
        let is_mirrored =
            ask.subject.domain == "docker.io" && matches!(ask.subject.action, Action::Pull);
        if !is_mirrored || self.options.mirrors.is_empty() {
            return there();
        }
        // That a mirror has not got it is no answer.
        let expected: Vec<u16> = expected.iter().copied().filter(|it| *it != 404).collect();
        let mut said: Vec<Error> = Vec::new();
        for mirror in self.mirrors() {
            let mirror = mirror.as_ref().map_err(Clone::clone)?;
            if mirror.is_silent.load(Ordering::Relaxed) {
                continue;
            }
            match self.ask_host(mirror, &addressed(ask, mirror), &expected) {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    let nobody = error.kind == Kind::Unavailable { retry_after: None };
                    mirror.is_silent.store(nobody, Ordering::Relaxed);
                    said.push(error);
                }
            }
        }
        there().map_err(|error| self.judge_all(error, said))
    }

    /// What to tell when docker.io failed as well.
    fn judge_all(&self, mut last: Error, said: Vec<Error>) -> Error {
        if !matches!(last.kind, Kind::Unavailable { .. }) {
            return last;
        }
        // Nobody is there: the next try must not pass over the mirrors.
        for mirror in self.mirrors().iter().flatten() {
            mirror.is_silent.store(false, Ordering::Relaxed);
        }
        let words = |error: &Error| error.report.why.clone().unwrap_or(error.report.what.clone());
        let unreachable = words(&last);
        // One that was reached knows more than one that was not.
        let is_definite = |error: &Error| !matches!(error.kind, Kind::Unavailable { .. });
        match said.into_iter().reduce(|first, next| if is_definite(&first) { first } else { next })
        {
            Some(mut said) if is_definite(&said) => {
                let why = words(&said);
                said.report.why = Some(format!("{why}; and docker.io itself: {unreachable}"));
                said
            }
            Some(said) => {
                last.report.why = Some(format!("{unreachable}; and its mirror: {}", words(&said)));
                last
            }
            None => last,
        }
    }

    /// Asks each mirror in turn for what only some of them know; the first answer counts.
    pub(super) fn first_mirror<T>(&self, ask: impl Fn(&Host) -> Option<T>) -> Option<T> {
        self.mirrors().iter().flatten().find_map(ask)
    }
}

/// The same question to a mirror: its own failures are told of it.
pub(super) fn addressed<'a>(ask: &Ask<'a>, mirror: &Host) -> Ask<'a> {
    let subject = Subject { domain: mirror.domain.clone(), ..ask.subject.clone() };
    Ask { subject, ..ask.clone() }
}
