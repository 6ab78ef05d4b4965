/* HTML and manuals to text, charsets, formats, languages: cases, mutations, hostile input. timeout: 180 */
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"
#include "base/utf8.h"
#include "tests/unit/tap.h"
#include "text/charset.h"
#include "text/format.h"
#include "text/html.h"
#include "text/language.h"
#include "text/man.h"

typedef void converter(const char *text, size_t n, struct str *out);

struct pair {
    const char *in, *out;
};

static const struct pair html[] = {
    {"plain", "plain\n"},
    {"", ""},
    {"  \n ", ""},
    {"<p>a\n b</p><p>c", "a b\n\nc\n"},
    {"a<br>b<br/>c", "a\nb\nc\n"},
    {"<h1>T</h1>x", "T\n\nx\n"},
    {"<ul><li>a<li><p>b</p></li></ul>c", "- a\n- b\n\nc\n"},
    {"<table><tr><th>a<td>b</tr><tr><td><td>d</table>", "a\tb\nd\n"},
    {"<pre>\n  x\n    y &lt; z\n</pre>w", "  x\n    y < z\n\nw\n"},
    {"&lt;&eacute;&#233;&#xE9;&hearts;&#128;&#0;&#x110000;&unknown;&amp", "<ééé♥€��&unknown;&\n"},
    {"a&nbsp;b\xC2\xA0" "c&shy;d", "a b cd\n"},
    {"<script>if (a<b) x()</script>a<style>p{}</style>b", "ab\n"},
    {"<script src=x />a", "a\n"},
    {"<SCRIPT>x</sCript >a", "a\n"},
    {"a<!-- b > <p> -->c<!---->d", "acd\n"},
    {"<nav><div>x</div></nav>a<footer>y</footer>", "a\n"},
    {"<div class=\"x sphinxsidebar\"><div>in</div>side</div>a", "a\n"},
    {"<h2>T<a class='headerlink' href=#t>\xC2\xB6</a></h2>", "T\n"},
    {"<div role=navigation>x</div><div hidden>y</div><div id=toc>z</div>a", "a\n"},
    {"<header><a>menu</a></header><header><h1>T</h1></header>a", "T\n\na\n"},
    {"Site > Docs<h1>T</h1>a<h1>U</h1>", "T\n\na\n\nU\n"},
    {"<p>\xE6\xBC\xA2\n\xE5\xAD\x97\nabc\n\xE3\x81\x82\xE3\x80\x82 \xE3\x81\x84",
     "\xE6\xBC\xA2\xE5\xAD\x97 abc \xE3\x81\x82\xE3\x80\x82\xE3\x81\x84\n"},
    {"<ruby>\xE6\xBC\xA2<rp>(</rp><rt>\xE3\x81\x8B</rt><rp>)</rp></ruby>", "\xE6\xBC\xA2\n"},
    {"a < b & c <d", "a < b & c\n"},
    {"<p title='a>b'>x", "x\n"},
    {"<a class=nav>open<p>a</p>b", "b\n"},
    {"x<", "x<\n"},
};

static const struct pair man[] = {
    {".TH X 1\n.SH NAME\nx \\- does\n.SH DESC\na\n.B b\nc\n.PP\nd", "NAME\n\nx - does\n\nDESC\n\na b c\n\nd\n"},
    {".\\\" comment\n'\\\" t\n.SH \"A B\"\ntext \\\" rest\nmore", "A B\n\ntext more\n"},
    {".TP\n\\fB\\-a\\fR, \\fI\\-\\-all\\fP\nshow\n.TP\n.BR \\-b \" (c)\"\nd", "-a, --all\nshow\n\n-b (c)\nd\n"},
    {".IP \\(bu 2\na\n.IP \"\\-\\-word\"\nb", "• a\n\n--word\nb\n"},
    {".nf\n  a\n\n  b\n.fi\nc", "  a\n\n  b\nc\n"},
    {".BR ls (1),\n.IR a b c", "ls(1), abc\n"},
    {"a\\(co\\['e]\\[u3042]\\*(lqq\\*(rq\\(aq\\e\\\\", "a©éあ“q”'\\\\\n"},
    {"\\s-2small\\s0 \\h'1c'x\\v'-.1v'y\\&z\\|w", "small xyzw\n"},
    {".ds Ab value\na \\*(Ab b \\*[Ab]", "a value b value\n"},
    {".ie n a\n.el b\n.if t c\n.if n d\n.if !n e", "a d\n"},
    {".ie t \\{\\\na\n.\\}\n.el \\{\\\nb\n.if n \\{\nc\n.\\}\n.\\}\nd", "b c d\n"},
    {".if \\n(.g .ds T yes\n\\*T\\*(zz.", "yes.\n"},
    {".de Xx\nnot this\n..\n.Xx a\ntext", "text\n"},
    {".ig\nnot\n..\n.ig END\nnot\n.END\ntext", "text\n"},
    {".TS\ntab(@);\nl l.\na@b\n_\nT{\nlong\ncell\nT}@c\n.TE\nx", "a\tb\nlong cell\tc\n\nx\n"},
    {".UR http://x\n.UE .\n.UR http://y\nname\n.UE", "http://x. name\n"},
    {".so man1/x.1", ""},
    {"\xE6\xBC\xA2\n\xE5\xAD\x97", "\xE6\xBC\xA2\xE5\xAD\x97\n"},
    {".Dd x\n.Dt X 1\n.Os\n.Sh NAME\n.Nm cat\n.Nd joins\n.Sh SYNOPSIS\n.Nm\n.Op Fl bn Ar file ...",
     "NAME\n\ncat - joins\n\nSYNOPSIS\n\ncat [-bn file ...]\n"},
    {".Dd x\n.Bl -tag\n.It Fl a Ns Ar x\nSee\n.Xr ls 1 ,\n.Dq quoted text .\n.El\nend",
     "-ax\nSee ls(1), “quoted text”.\n\nend\n"},
    {".Dd x\n.Fn f \"int a\" \"int b\"\n.Pq Fl v\n.Bd -literal\n a\n  b\n.Ed\n.Em x Ns y .",
     "f(int a, int b) (-v)\n\n a\n  b\nxy.\n"},
};

static void
test_pairs(const char *what, converter *convert, const struct pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct str out = {0};
        convert(pairs[i].in, strlen(pairs[i].in), &out);
        is_str(out.data ? out.data : "", pairs[i].out, "%s %zu", what, i);
        str_release(&out);
    }
}

/* Pieces of all inputs in random order, with random bytes among them. */
static void
make_hostile(const struct pair *pairs, size_t count, uint64_t round, struct str *text)
{
    str_clear(text);
    for (uint64_t k = 0; k < 12; k++) {
        uint64_t x = rng_u64(11, round * 16 + k);
        const char *p = pairs[x % count].in;
        size_t n = strlen(p), from = n ? (x >> 8) % n : 0, len = n ? (x >> 20) % (n - from) + 1 : 0;
        str_add(text, p + from, len);
        if (x >> 60 == 0)
            str_addc(text, (char)(x >> 40));
        if (x >> 60 == 1)
            str_addc(text, '\n');
    }
}

/* Whatever comes in, UTF-8 goes out, not much more than came in, and twice the same. */
static void
test_hostile(const char *what, converter *convert, const struct pair *pairs, size_t count)
{
    struct str text = {0}, clean = {0}, out = {0}, again = {0};
    int bad = 0;

    for (uint64_t round = 0; round < 20000; round++) {
        make_hostile(pairs, count, round, &text);
        str_clear(&clean);
        utf8_clean(text.data, text.len, &clean);
        char *exact = malloc(clean.len ? clean.len : 1);
        memcpy(exact, clean.data, clean.len);
        str_clear(&out);
        str_clear(&again);
        convert(exact, clean.len, &out);
        convert(exact, clean.len, &again);
        if (utf8_valid(out.data ? out.data : "", out.len) != out.len ||
            out.len > 256 * clean.len + 64 || out.len != again.len)
            bad++;
        free(exact);
    }
    is_int(bad, 0, "%s: 20000 scrambled inputs give UTF-8 of a sane size", what);
    str_release(&text);
    str_release(&clean);
    str_release(&out);
    str_release(&again);
}

/* A megabyte of the same few bytes, the patterns that make naive parsers quadratic. */
static void
test_linear(const char *what, converter *convert, const char *const *patterns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct str text = {0}, out = {0};
        struct timespec from, to;
        while (text.len < 1 << 20)
            str_adds(&text, patterns[i]);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
        convert(text.data, text.len, &out);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
        double seconds = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
        ok(seconds < 4, "%s: a megabyte of '%.12s' in %.2f s", what, patterns[i], seconds);
        str_release(&text);
        str_release(&out);
    }
}

static void
test_charsets(void)
{
    static const struct {
        const char *text;
        enum charset charset;
    } known[] = {
        {"ascii", CHARSET_UTF8},
        {"", CHARSET_UTF8},
        {"日本語とかな", CHARSET_UTF8},
        {"日本語とかなの長い文章で\xFF一つだけ壊れている", CHARSET_UTF8},
        {"\xA4\xB3\xA4\xEC\xA4\xCF\xC6\xFC\xCB\xDC\xB8\xEC\xA4\xC7\xA4\xB9", CHARSET_EUCJP},
        {"\x82\xB1\x82\xEA\x82\xCD\x93\xFA\x96\x7B\x8C\xEA\x82\xC5\x82\xB7", CHARSET_SHIFTJIS},
        {"\x1B$B$3$l\x1B(B abc", CHARSET_ISO2022JP},
        {"caf\xE9 au lait, tr\xE8s bon", CHARSET_LATIN1},
        {"<meta charset=\"euc-kr\">\xC7\xD1\xB1\xDB", CHARSET_EUCKR},
        {"<meta charset=\"iso-8859-7\">\xC7\xD1\xB1\xDB", CHARSET_OTHER},
        {"<meta charset=shift_jis>\x93\xFA\x96\x7B", CHARSET_SHIFTJIS},
    };
    static const char utf16[] = "a\0b\0c\0d\0e\0f\0g\0h\0i\0j\0";

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        is_str(charset_name(charset_guess(known[i].text, strlen(known[i].text))),
               charset_name(known[i].charset), "charset %zu", i);
    is_int(charset_guess(utf16, sizeof utf16 - 1), CHARSET_UTF16LE, "UTF-16 without a mark");
    is_int(charset_guess("\xFE\xFF\0a", 4), CHARSET_UTF16BE, "UTF-16 with a mark");
}

static void
test_formats(void)
{
    static const struct {
        const char *text, *name;
        enum text_format format;
    } known[] = {
        {"hello", "a", TEXT_PLAIN},
        {"{\"text\":\"a\"}\n{", "a", TEXT_JSONL},
        {"{\"name\":\"a\"}\n", "package.json", TEXT_PLAIN},
        {"{\n \"text\": 1\n}", "a.json", TEXT_PLAIN},
        {"{\"body\":1}\n", "a.jsonl.gz", TEXT_JSONL},
        {"<!-- c --><!DOCTYPE html>", "a", TEXT_HTML},
        {"\n<HTML lang=en>", "a", TEXT_HTML},
        {"<?xml version='1.0'?><!-- x --><html>", "a", TEXT_HTML},
        {"<?xml version='1.0'?><svg>", "a", TEXT_XML},
        {"<?xml?><mediawiki>", "a", TEXT_WIKIXML},
        {"<b>bold</b>", "a", TEXT_PLAIN},
        {".\\\" c\n.TH A 1\n", "a", TEXT_MAN},
        {".de X\n..\n.Dd May\n", "a", TEXT_MAN},
        {".hidden file list\nof names\n", "a", TEXT_PLAIN},
        {"text\n.TH A 1\n", "a", TEXT_PLAIN},
        {"WARC/1.1\r\n", "a", TEXT_WARC},
        {"%PDF-1.4\n", "a", TEXT_BINARY},
        {"a\x01\x02\x03 b", "a", TEXT_BINARY},
        {"\x1B[1mterminal\x1B[0m colours", "a", TEXT_PLAIN},
    };
    struct jsonl_field field;

    jsonl_field_init(&field, "text");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        is_str(text_format_name(text_detect(known[i].text, strlen(known[i].text), known[i].name,
                                            &field)),
               text_format_name(known[i].format), "format of %s %zu", known[i].name, i);
    is_int(text_detect("a\0b", 3, "a", &field), TEXT_BINARY, "a NUL is binary");
    jsonl_field_release(&field);
}

/* From the Universal Declaration of Human Rights, article 1. */
static const struct pair languages[] = {
    {"All human beings are born free and equal in dignity and rights. They are endowed with reason "
     "and conscience and should act towards one another in a spirit of brotherhood.", "en"},
    {"Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und "
     "Gewissen begabt und sollen einander im Geist der Brüderlichkeit begegnen.", "de"},
    {"Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de "
     "raison et de conscience et doivent agir les uns envers les autres dans un esprit de "
     "fraternité.", "fr"},
    {"Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están "
     "de razón y conciencia, deben comportarse fraternalmente los unos con los otros.", "es"},
    {"Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono dotati di "
     "ragione e di coscienza e devono agire gli uni verso gli altri in spirito di fratellanza.",
     "it"},
    {"Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Dotados de razão e "
     "de consciência, devem agir uns para com os outros em espírito de fraternidade.", "pt"},
    {"Alle mensen worden vrij en gelijk in waardigheid en rechten geboren. Zij zijn begiftigd met "
     "verstand en geweten, en behoren zich jegens elkander in een geest van broederschap te "
     "gedragen.", "nl"},
    {"Alla människor är födda fria och lika i värde och rättigheter. De har utrustats med förnuft "
     "och samvete och bör handla gentemot varandra i en anda av gemenskap.", "sv"},
    {"Wszyscy ludzie rodzą się wolni i równi w swojej godności i prawach. Są oni obdarzeni rozumem "
     "i sumieniem i powinni postępować wobec innych w duchu braterstwa.", "pl"},
    {"Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler "
     "ve birbirlerine karşı kardeşlik zihniyeti ile hareket etmelidirler. Bu herkes için çok "
     "daha iyi olur.", "tr"},
    {"すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。", "ja"},
    {"人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。", "zh"},
    {"모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.", "ko"},
    {"Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и "
     "совестью и должны поступать в отношении друг друга в духе братства. Это мы.", "ru"},
    {"Всі люди народжуються вільними і рівними у своїй гідності та правах. Вони наділені розумом і "
     "совістю і повинні діяти у відношенні один до одного в дусі братерства.", "uk"},
    {"Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια.", "el"},
    {"يولد جميع الناس أحرارا متساوين في الكرامة والحقوق.", "ar"},
    {"GNU C ライブラリの printf() 関数は format に従って出力を stdout に書き込む。", "ja"},
    {"int main(void) { return 0; }", "und"},
    {"12345 67890", "und"},
    {"", "und"},
    {"The manual (日本語) explains how to use it when there is no other way to do that.", "en"},
};

static void
test_languages(void)
{
    for (size_t i = 0; i < sizeof languages / sizeof *languages; i++)
        is_str(language_guess(languages[i].in, strlen(languages[i].in)), languages[i].out,
               "language %zu", i);
    struct str book = {0};
    while (book.len < 1 << 20)
        str_adds(&book, languages[10].in);
    is_str(language_guess(book.data, book.len), "ja", "a long text");
    str_release(&book);
    ok(!language_list_check("ja,en-US,zh-Hant") && language_list_check("ja,") &&
           language_list_check("xx"), "lists of languages");
    ok(language_listed("en", "ja,en-US") && !language_listed("e", "ja,en") &&
           !language_listed("en", "eng,ja"), "membership");
}

#define COUNT(a) (sizeof(a) / sizeof *(a))

int
main(void)
{
    static const char *const html_patterns[] = {"<", "<a", "<a ", "<!--", "<!", "&", "&#", "<p a='",
                                                "<div class=nav>", "</", "<header>", "<pre>", "<br>",
                                                "<script>", "<ul><li>", "<h1>", "<td>", "\n", "<a b=c "};
    static const char *const man_patterns[] = {"\\", "\\*(", "\\[", ".if n ", ".if \\{", ".ie t \\{\n",
                                               ".ds aa \\*(aa\\*(aa\n\\*(aa\n", ".de\n", ".\\}\n",
                                               ".TS\n", "T{\t", ".B \"", ".Op Op Op Op\n", "\\h'", "\n",
                                               ".Dd\n.Oo\n", ".if \\{\\{\\{\n", "\\(", ".ig\n"};

    test_pairs("html", html_to_text, html, COUNT(html));
    test_pairs("man", man_to_text, man, COUNT(man));
    test_hostile("html", html_to_text, html, COUNT(html));
    test_hostile("man", man_to_text, man, COUNT(man));
    test_linear("html", html_to_text, html_patterns, COUNT(html_patterns));
    test_linear("man", man_to_text, man_patterns, COUNT(man_patterns));
    test_charsets();
    test_formats();
    test_languages();
    return done();
}
