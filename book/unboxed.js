// What scrolls must be reachable by keyboard, and what is folded must be there on paper.
for (const block of document.querySelectorAll("pre code, .picture, .table-wrapper")) {
    block.tabIndex = 0;
    // More than half a page of paper: a printer may cut it.
    block.classList.toggle("long", block.textContent.split("\n").length > 40);
}
window.addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details")) {
        fold.open = true;
    }
});

// mdBook's button for the table of contents is a label; a screen reader has to know, and a keyboard to reach it.
const toggle = document.getElementById("mdbook-sidebar-toggle");
if (toggle) {
    toggle.setAttribute("role", "button");
    toggle.tabIndex = 0;
    toggle.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") {
            event.preventDefault();
            toggle.click();
        }
    });
}

// A transcript can be played: what was typed appears letter by letter, what was said follows. The block itself stays in the
// page for those who do not see the player; nothing is fetched. Who has asked for less motion gets one step at a press.
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const TYPING_MS = 35;
const READING_MS = 700;

/** The steps of a transcript: a command, or what is typed into it, and the lines that it said. */
function steps(text) {
    const steps = [];
    for (const line of text.replace(/\n$/, "").split("\n")) {
        if (/^[$#>] /.test(line)) {
            steps.push({ typed: line, said: "" });
        } else if (steps.length > 0) {
            steps[steps.length - 1].said += `${line}\n`;
        }
    }
    return steps;
}

/** A player below a block; it shows the same words again, in their time. */
function player(block) {
    const button = document.createElement("button");
    const screen = document.createElement("pre");
    const tape = steps(block.textContent);
    let next = 0;
    let timer = 0;

    const rest = () => {
        clearTimeout(timer);
        next = 0;
        timer = 0;
        screen.remove();
        block.parentElement.classList.remove("playing");
        button.textContent = calm.matches ? "Play step by step" : "Play";
    };
    const show = (text) => {
        screen.textContent += text;
        screen.scrollTop = screen.scrollHeight;
    };
    const begin = () => {
        screen.textContent = "";
        screen.className = "screen";
        screen.setAttribute("aria-hidden", "true");
        screen.style.height = `${block.offsetHeight}px`;
        block.parentElement.classList.add("playing");
        block.parentElement.after(screen);
    };
    const step = () => {
        const { typed, said } = tape[next];
        next += 1;
        show(`${typed}\n${said}`);
        button.textContent = next < tape.length ? "Next step" : "Done";
    };
    const letters = (at) => {
        const { typed, said } = tape[next];
        show(typed[at]);
        if (at + 1 < typed.length) {
            timer = setTimeout(letters, TYPING_MS, at + 1);
            return;
        }
        show(`\n${said}`);
        next += 1;
        timer = setTimeout(next < tape.length ? letters : rest, READING_MS + 20 * said.length, 0);
    };

    button.type = "button";
    button.className = "play";
    button.addEventListener("click", () => {
        if (timer || next >= tape.length) {
            rest();
        } else if (calm.matches) {
            if (next === 0) {
                begin();
            }
            step();
        } else {
            begin();
            button.textContent = "Stop";
            letters(0);
        }
    });
    rest();
    return button;
}

/** Whether there is something to watch: of commands to try only an exit status may be told, and nothing that they say. */
function tells({ said }) {
    return said.split("\n").some((line) => line !== "" && !/^\[\d+\]$/.test(line));
}

for (const block of document.querySelectorAll("pre > code.language-console")) {
    if (steps(block.textContent).some(tells)) {
        block.parentElement.after(player(block));
    }
}

// Speaker notes: a comment of the page, which nobody sees but a window of its own (notes.html). That window asks for them, and
// for the next page; it may have been opened by the page before this one.

/** What the comment says: `notes: 10 minutes`, then lines with `say:`, `ask:` or `wrong:`. */
function speakerNotes() {
    const comments = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_COMMENT);
    while (comments.nextNode()) {
        const [heading, ...lines] = comments.currentNode.data.trim().split("\n");
        const minutes = /^notes: (\d+) minutes$/.exec(heading);
        if (minutes) {
            const of = (kind) => lines.filter((line) => line.startsWith(`${kind}: `)).map((line) => line.slice(kind.length + 2));
            return { minutes: Number(minutes[1]), say: of("say"), ask: of("ask"), wrong: of("wrong") };
        }
    }
    return null;
}

const notes = speakerNotes();
window.addEventListener("message", ({ source, data }) => {
    if (data?.unboxed === "chapter") {
        const chapter = document.querySelector("main h1")?.textContent ?? document.title;
        source.postMessage({ chapter, notes }, "*");
    } else if (data?.unboxed === "next" || data?.unboxed === "previous") {
        document.querySelector(`.nav-chapters.${data.unboxed}`)?.click();
    }
});

/** The button beside that for printing. */
function notesButton() {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "icon-button speaker";
    button.title = "Speaker notes";
    button.setAttribute("aria-label", "Speaker notes, in a window of their own");
    button.innerHTML =
        '<svg viewBox="0 0 512 512" width="1em" height="1em" fill="currentColor" aria-hidden="true">' +
        '<path d="M32 32h448v320H224l-128 112V352H32z"/></svg>';
    button.addEventListener("click", () => {
        window.open(`${path_to_root}notes.html`, "unboxed-notes", "popup,width=560,height=720")?.focus();
    });
    return button;
}

// The page that is printed as a whole has the notes of all chapters, and so of none.
if (notes && !document.querySelector("main h1 ~ h1")) {
    document.querySelector(".right-buttons")?.prepend(notesButton());
}
