#!/usr/bin/env bash
# Every option of a program is in its manual page, and every option in the page
# is one of the program; --help is readable in 80 columns and names them all.
. "$LLM_SRC/tests/lib.sh"

# The long names and letters after Fl in the .It lines of a page, one a line; [no-] dropped.
in_page() {
    sed -n 's/\\//g; s/^\.It \(.*\)$/\1/p' "$1" | awk '
        { for (i = 1; i < NF; i++) if ($i == "Fl") { f = $(i + 1); sub(/^-\[no-\]/, "-", f); print "-" f } }' | sort -u
}

in_table() {
    awk -F '\t' '{ print "--" $1; if ($2 != "-") print "-" $2 }' "$1" | sort -u
}

for tool in llm-tokenize llm-shuffle llm-train llm-eval llm-convert; do
    "$tool" --dump-options >table
    is "$tool: the table has seven columns" "$(awk -F '\t' 'NF != 7' table)" ""
    is "$tool: each option has a help line" "$(awk -F '\t' '$7 == "-" { print $1 }' table)" ""
    is "$tool: help lines are lower case, without full stop" \
        "$(awk -F '\t' '$7 ~ /\.$/ || $7 ~ /^[A-Z][a-z]+([ ,:;]|$)/ { print $1 ": " $7 }' table)" ""
    is "$tool: no name or letter stands twice" \
        "$(awk -F '\t' '{ print "--" $1; if ($2 != "-") print "-" $2 }' table | sort | uniq -d)" ""
    ok "$tool --help" expect_code 0 "$tool" --help
    cp out help
    is "$tool --help fits 80 columns" "$(grep -E '^.{81,}' help)" ""
    is "$tool --help names each option" "$(in_table table | while read -r o; do
        name=${o#--}
        grep -qE -e "(^| )-?-(\[no-\])?${name#-}([ ,]|\$)" help || echo "$o"
    done)" ""
    ok "$tool --version" expect_code 0 "$tool" --version
    like "$tool --version names the tool and its version" "$(head -n 1 out)" "^$tool [0-9]+\.[0-9]+"
    ok "$tool --no-such-option is refused" expect_code 2 "$tool" --no-such-option
    ok "$tool --versio is no abbreviation" expect_code 2 "$tool" --versio
    err_like "and suggests the nearest" "did you mean --version\?"
    ok "$tool --help to a full disk fails" expect_code 1 bash -c "$tool --help >/dev/full"

    page=$LLM_SRC/man/$tool.1
    # --no-NAME of a negatable option stands for --NAME.
    awk -F '\t' '$4 == "negatable" { print "s/^--no-" $1 "$/--" $1 "/" }' table >names.sed
    in_page "$page" | sed -f names.sed | sort -u >described
    in_table table >options
    is "$tool(1) has every option" "$(comm -13 described options)" ""
    is "$tool(1) has no other option" "$(comm -23 described options)" ""
done
