//! Links: every relative one of the built pages leads to a file, and to a place in it.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

/// Every relative link of the pages below `built` that leads nowhere.
pub fn dead(built: &Path) -> Result<Vec<String>> {
    let mut pages = HashMap::new();
    read_pages(built, &mut pages)?;
    let mut dead = Vec::new();
    for (page, text) in &pages {
        // print.html repeats all the pages, with links rewritten to places in itself.
        if page.ends_with("print.html") || page.ends_with("404.html") {
            continue;
        }
        let wrong = attributes(text, "href").filter(|link| !leads_somewhere(page, link, &pages));
        dead.extend(wrong.map(|link| format!("{}: {link}", page.display())));
    }
    dead.sort();
    Ok(dead)
}

fn read_pages(directory: &Path, pages: &mut HashMap<PathBuf, String>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            read_pages(&path, pages)?;
        } else if path.extension().is_some_and(|extension| extension == "html") {
            pages.insert(path.clone(), fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

/// The values of an attribute. mdBook writes them in double quotes.
fn attributes<'a>(html: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let open = format!(" {name}=\"");
    let starts: Vec<usize> = html.match_indices(&open).map(|(at, _)| at + open.len()).collect();
    starts.into_iter().filter_map(|start| html.get(start..)?.split('"').next())
}

fn leads_somewhere(page: &Path, link: &str, pages: &HashMap<PathBuf, String>) -> bool {
    if link.contains("://") || link.starts_with("mailto:") {
        return true;
    }
    let (file, place) = link.split_once('#').unwrap_or((link, ""));
    let target = match file {
        "" => page.to_owned(),
        file => plain(&page.parent().unwrap_or(page).join(file)),
    };
    match pages.get(&target) {
        Some(text) => place.is_empty() || attributes(text, "id").any(|id| id == place),
        None => target.exists(),
    }
}

/// The path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                plain.pop();
            }
            std::path::Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(link: &str, expected: bool) {
        let pages = HashMap::from([
            (PathBuf::from("/b/a.html"), "<a href=\"x\">".to_owned()),
            (PathBuf::from("/b/c.html"), "<h2 id=\"there\">".to_owned()),
        ]);
        assert_eq!(leads_somewhere(Path::new("/b/a.html"), link, &pages), expected, "{link}");
    }

    #[test]
    fn a_link_leads_to_a_page_and_a_place_in_it() {
        check("c.html", true);
        check("c.html#there", true);
        check("c.html#elsewhere", false);
        check("./c.html", true);
        check("d.html", false);
        check("#there", false);
        check("https://kernel.org", true);
    }
}
