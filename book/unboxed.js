// What scrolls must be reachable by keyboard, and what is folded must be there on paper.
for (const block of document.querySelectorAll("pre code, .picture, .table-wrapper")) {
    block.tabIndex = 0;
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

for (const block of document.querySelectorAll("pre > code.language-console")) {
    if (steps(block.textContent).some(({ said }) => said !== "")) {
        block.parentElement.after(player(block));
    }
}
