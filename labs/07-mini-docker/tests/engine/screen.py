"""What is left on a terminal: reads what a program wrote to it, prints the lines that a person sees."""
import re
import sys

WIDTH = int(sys.argv[1])
lines, row, column = [""], 0, 0
told = sys.stdin.buffer.read().decode()
for part in re.findall(r"\x1b\[[?0-9;]*[A-Za-z]|.|\n", told):
    if part == "\r":
        column = 0
    elif part == "\n":
        row, column = row + 1, 0
        lines += [""] * (row + 1 - len(lines))
    elif part.startswith("\x1b["):
        count, what = int(re.sub(r"\D", "", part[2:-1]) or 0), part[-1]
        if what == "A":
            row = max(0, row - max(1, count))
        elif what == "B":
            row += max(1, count)
            lines += [""] * (row + 1 - len(lines))
        elif what == "K":
            lines[row] = "" if count == 2 else lines[row][:column]
        elif what == "J":
            lines[row:] = [lines[row][:column]]
    else:
        if column == WIDTH:
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        line = lines[row].ljust(column)
        lines[row] = line[:column] + part + line[column + 1:]
        column += 1
print("\n".join(line.rstrip() for line in lines if line.strip()))
