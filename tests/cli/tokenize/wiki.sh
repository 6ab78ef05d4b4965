#!/usr/bin/env bash
# Wikipedia's XML dumps: pages, wikitext to text, damage, hostile nesting.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/tokenize/_tokenizer.bash"

texts() { # [options] FILE…: the documents as JSON lines
    llm-tokenize -q -t tok.json "$@" -o t.shard && llm-tokenize -q -t tok.json --decode \
        --format jsonl t.shard | sed 's/,"source":"default"}$/}/'
}

escape() { sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g'; }

page() { # TITLE NS: wikitext on standard input; further elements as $3, the model as $4
    printf '  <page>\n    <title>%s</title>\n    <ns>%s</ns>\n    <id>1</id>\n%s' "$1" "$2" "${3:-}"
    printf '    <revision>\n      <model>%s</model>\n      <text bytes="1" xml:space="preserve">' "${4:-wikitext}"
    escape
    printf '</text>\n    </revision>\n  </page>\n'
}

dump() { # pages on standard input
    printf '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" xml:lang="ja">\n  <siteinfo>\n'
    printf '    <namespaces><namespace key="0" /></namespaces>\n  </siteinfo>\n'
    cat
    printf '</mediawiki>\n'
}

# wiki WIKITEXT: the text of an article that holds it
wiki() { printf '%s' "$1" | page T 0 | dump >w.xml && texts w.xml | sed 's/^{"text":"T\\n\\n//; s/\\n"}$//'; }

while IFS='~' read -r source want; do
    is "$source" "$(wiki "$(printf '%b' "$source")")" "$want"
done <<'W'
'''b''' and ''i'' and '''''both''''' don't~b and i and both don't
a [[link]], [[target|shown]], [[:Category:X|cat]], [[Foo (bar)|]]s~a link, shown, cat, Foos
[[File:a.jpg|thumb|a [[b|c]] d]]x[[ファイル:a|説明]]y[[Category:Z]]z[[en:English]]~xyz
[http://x.org text here], [http://x.org], http://bare.org~text here, , http://bare.org
a{{cite|x={{y|z}}}}b{{{param|default}}}c~abc
{{lang|en|Text}} {{lang-fr|Texte}} {{仮リンク|表示|en|Shown}} {{ruby|漢字|かんじ}} {{Lang|ja|2=日本}}~Text Texte 表示 漢字（かんじ）日本
a<ref>note [[x]]</ref>b<ref name="n" />c<ref name=n>{{cite}}</ref>~abc
before\n{| class="x"\n! h\n|-\n| a || {{b|c}}\n{|\n| in\n|}\n|}\nafter~before\n\nafter
== Empty ==\n== H ==\ntext\n=== Sub ===\n== Last ==~H\n\ntext
== A ==\n=== B ===\ntext~A\n\nB\n\ntext
* one\n* two\n** deep\n# first\n# second\n; term : def\n: indent~- one\n- two\n- deep\n1. first\n2. second\nterm : def\nindent
p1\nstill p1\n\np2~p1 still p1\n\np2
日本\n語\n\n次~日本語\n\n次
<!-- gone -->a<!-- {{ [[ -->b~ab
<nowiki>[[x]] '''y''' {{z}}</nowiki> <nowiki/>~[[x]] '''y''' {{z}}
<math>a_{1} = {{b}}</math>~a_{1} = {{b}}
<syntaxhighlight lang="c">\nint f() {\n  return a[[1]];\n}\n</syntaxhighlight>~int f() {\n  return a[[1]];\n}
<span style="x">in</span> H<sub>2</sub>O a<br/>b 1 < 2~in H2O a\nb 1 < 2
<gallery>\nFile:x.jpg|y\n</gallery>rest __NOTOC__ __目次__~rest __目次__
&nbsp;A&amp;B &lt;t&gt; &#12354; &eacute;~A&B <t> あ é
名（{{読み}}、{{lang|en|}}）は x ( , ) y f() z~名は x y f() z
a ---- b\n----\nc~a ---- b\n\nc
unclosed {{a [[b <ref>c ''d~unclosed a b c d
]] }} |} <!-- never ends~|}
W

{
    printf 'first' | page 'A &amp; B' 0
    printf '#REDIRECT [[A]]' | page R1 0 '    <redirect title="A" />'
    printf '#転送 [[A]]' | page R2 0
    printf 'a talk page' | page 'Talk:A' 1
    printf '{"a": 1}' | page J 0 '' json
    printf '{{only|templates}}' | page E 0
    printf 'second' | page B 0
} | dump >d.xml
is "pages" "$(texts d.xml)" '{"text":"A & B\n\nfirst\n"}
{"text":"B\n\nsecond\n"}'
ok "the account" expect_code 0 llm-tokenize -t tok.json d.xml -o t.shard
for what in 'in: documents 7' 'out: documents 2' '1 pages that are no articles' '2 redirects' '1 empty' \
    '1 of unsupported formats'; do
    like "says '$what'" "$(tail -n 1 err)" "$what"
done
bzip2 -c d.xml >d.xml.bz2
is "bz2, told by its data" "$(texts d.xml.bz2 | wc -l)" 2
is "--format wikixml from a pipe" "$(texts --format wikixml - <d.xml | wc -l)" 2

# damage
head -c -12 d.xml >cut.xml
ok "a dump without its end" expect_code 3 llm-tokenize -t tok.json cut.xml -o t.shard
err_like "its place" '^llm-tokenize: cut.xml: offset [0-9]+: the dump is cut: it has no </mediawiki>$'
head -c -40 d.xml >cut.xml
ok "a dump cut inside a page" expect_code 3 llm-tokenize -t tok.json cut.xml -o t.shard
err_like "its place" "^llm-tokenize: cut.xml: offset $(grep -abo '<page>' d.xml | tail -n 1 | cut -d: -f1): the dump is cut inside a page\$"
is "what stands before is read" "$(texts --on-error skip cut.xml | wc -l)" 1
{ printf 'a'; } | page A 0 >p; { yes long | head -c 9000; } | page L 0 >>p; printf 'b' | page B 0 >>p
dump <p >long.xml
ok "a long page" expect_code 3 llm-tokenize -t tok.json --max-member 4K long.xml -o t.shard
err_like "its place" '^llm-tokenize: long.xml: offset [0-9]+: the page is larger than --max-member$'
is "skipped" "$(texts --on-error skip --max-member 4K long.xml | wc -l)" 2

# hostile nesting: half a megabyte of each, in linear time
for piece in '{{' '[[' '{|' '{{{' '{{a|' '[[a|' '<ref>' '<!--' '[http://' '}}' '{{lang|en|' '(' "'" '<a' '= ' '&' \
    '[[a]][[' '<math>' '__A' '*#'; do
    yes -- "$piece" | tr -d '\n' | head -c 500000 | page H 0 | dump >h.xml
    ok "half a megabyte of $piece" timeout 10 llm-tokenize -q --count h.xml
done
