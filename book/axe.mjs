// Opens each page from disk in headless Chromium, and asks axe-core for violations of WCAG 2.1 AA: all rules once, and those of
// colours again in each theme. Then the window becomes as narrow as a phone, and nothing may stick out. What is folded is opened
// for that. The whole book is printed, the speaker notes follow it, and a transcript is played.
//
//   usage: book/axe [PAGE.html...]
//
// The last line has the counts; the exit status is 1 when anything is wrong.
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

// Not `import`, which does not look where NODE_PATH says.
const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");
const { source: AXE } = require("axe-core");

const BUILT = fileURLToPath(new URL("build", import.meta.url));
/** A page opens in the first. */
const THEMES = ["light", "rust", "coal", "navy", "ayu"];
const LEVEL_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];
const COLOURS = ["color-contrast", "link-in-text-block"];
const AT_A_TIME = 2;
const DESK = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };
/** A page with a transcript, and one that has only commands to try. */
const PLAYED = "how-to.html";
const TRIED = "lab-02.html";
/** What is left of A4 between margins of 10 mm, in pixels of CSS; and how many sheets the book has at least. */
const PAPER = { width: 718, height: 1047 };
const SHEETS = 100;
/** A page with speaker notes; the page after it has some as well. */
const NOTED = "lab-01.html";

/** The pages; what mdBook makes of them for printing and for its own use says nothing new. */
function pages() {
    const others = ["print.html", "404.html", "toc.html", "notes.html"];
    return readdirSync(BUILT, { recursive: true }).filter((name) => name.endsWith(".html") && !others.includes(name)).sort();
}

/** What axe-core finds below an element, as lines. */
async function violations(tab, element, runOnly) {
    const options = { runOnly, resultTypes: ["violations"] };
    const found = await tab.evaluate(([element, options]) => window.axe.run(element, options), [element, options]);
    return found.violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target}: ${failureSummary}`));
}

/** What makes a page wider than a phone: it would have to be pushed to and fro for every line. */
async function tooWide(tab) {
    await tab.setViewportSize(PHONE);
    const [is, may] = await tab.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    await tab.setViewportSize(DESK);
    return is > may ? [`wider than a phone: ${is} of ${may}`] : [];
}

/** In the page: whether its colours are there; a theme's are read from disk when it is chosen. */
const styled = () => [...document.querySelectorAll("link[rel=stylesheet]")].every((it) => it.disabled || it.sheet);

/** All that is wrong with a page. */
async function wrongs(tab, page) {
    await tab.goto(pathToFileURL(join(BUILT, page)).href);
    await tab.evaluate(() => document.querySelectorAll("details").forEach((it) => (it.open = true)));
    // Half-way from one theme to the next colours are no theme's.
    await tab.addStyleTag({ content: "* { transition: none !important }" });
    await tab.evaluate(AXE);
    const found = (await tooWide(tab)).concat(await violations(tab, "html", { type: "tag", values: LEVEL_AA }));
    // What stands around a page is the same everywhere.
    const element = page === wanted[0] ? "html" : "main";
    for (const theme of THEMES.slice(1)) {
        await tab.evaluate((theme) => document.getElementById(`mdbook-theme-${theme}`).click(), theme);
        await tab.waitForFunction(styled);
        const faint = await violations(tab, element, { type: "rule", values: COLOURS });
        found.push(...faint.map((it) => `(${theme}) ${it}`));
    }
    return found.map((it) => `${page}: ${it}`.replace(/\s+/g, " "));
}

/** What is wrong with the window of the speaker notes: axe's violations, and whether it follows the book. */
async function speaker(tab, page) {
    await tab.goto(pathToFileURL(join(BUILT, page)).href);
    const opened = tab.waitForEvent("popup");
    await tab.focus(".speaker");
    await tab.keyboard.press("Enter");
    const notes = await opened;
    const follows = async () => {
        const chapter = await tab.locator("main h1").first().textContent();
        await notes.locator("h1", { hasText: chapter }).waitFor();
    };
    await follows();
    await notes.evaluate(AXE);
    const found = await violations(notes, "html", { type: "tag", values: LEVEL_AA });
    await notes.focus("button[value=next]");
    await Promise.all([tab.waitForNavigation(), notes.keyboard.press("Enter")]);
    await follows();
    await notes.close();
    return found.map((it) => `notes.html: ${it}`);
}

/** What is wrong with the book on paper: what scrolls on a screen is cut there. */
async function paper(tab, page) {
    await tab.emulateMedia({ media: "print" });
    await tab.setViewportSize(PAPER);
    await tab.goto(pathToFileURL(join(BUILT, page)).href);
    await tab.evaluate(() => window.dispatchEvent(new Event("beforeprint")));
    const found = await tab.evaluate(() => {
        const cut = (it) => it.scrollWidth > it.clientWidth + 1;
        const words = (it) => `${it.tagName} ${it.className}: ${it.scrollWidth} of ${it.clientWidth}: ${it.textContent.trim().slice(0, 60)}`;
        const wide = [document.documentElement, ...document.querySelectorAll("pre, pre > code, .picture, .table-wrapper")].filter(cut);
        const folded = [...document.querySelectorAll("details:not([open])")];
        return wide.map((it) => `cut on paper: ${words(it)}`).concat(folded.map((it) => `folded on paper: ${words(it)}`));
    });
    const margin = "10mm";
    const pdf = await tab.pdf({ format: "A4", margin: { top: margin, bottom: margin, left: margin, right: margin } });
    const sheets = pdf.toString("latin1").match(/\/Type\s*\/Page\b/g)?.length ?? 0;
    if (sheets < SHEETS) {
        found.push(`${sheets} sheets of paper`);
    }
    return found.map((it) => `${page}: ${it}`);
}

/** What is wrong with the player: first in its own time, then step by step for who has asked for less motion. */
async function played(tab) {
    const found = [];
    const open = (page) => tab.goto(pathToFileURL(join(BUILT, page)).href);
    await open(TRIED);
    if ((await tab.locator(".play").count()) > 0) {
        found.push(`${TRIED}: a player, and nothing that is said`);
    }
    for (const reducedMotion of ["no-preference", "reduce"]) {
        await tab.emulateMedia({ reducedMotion });
        await open(PLAYED);
        const [command, said] = (await tab.locator("pre:has(+ .play)").first().textContent()).split("\n");
        await tab.locator(".play").first().press("Enter");
        const screen = tab.locator(".screen", { hasText: `${command} ${said}` });
        await screen.waitFor({ timeout: 20_000 }).catch(() => found.push(`${PLAYED} (${reducedMotion}): nothing was played`));
        const button = await tab.locator(".play").first().textContent();
        if (!["Stop", "Next step"].includes(button)) {
            found.push(`${PLAYED} (${reducedMotion}): the button says ${button}`);
        }
    }
    return found;
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : pages();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const left = [...wanted];
let count = 0;

const tell = (found) => {
    count += found.length;
    found.forEach((it) => console.log(it));
};

/** One tab takes page after page. */
async function look() {
    const tab = await (await browser.newContext({ viewport: DESK })).newPage();
    await tab.addInitScript(() => localStorage.removeItem("mdbook-theme"));
    for (let page = left.shift(); page; page = left.shift()) {
        tell(await wrongs(tab, page));
    }
}
await Promise.all(Array.from({ length: AT_A_TIME }, look));
tell(await speaker(await browser.newPage(), NOTED));
tell(await paper(await browser.newPage(), "print.html"));
tell(await played(await browser.newPage()));
await browser.close();
console.log(`pages ${wanted.length}, themes ${THEMES.length}, violations ${count}`);
process.exitCode = count === 0 ? 0 : 1;
