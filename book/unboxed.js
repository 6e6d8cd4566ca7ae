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
