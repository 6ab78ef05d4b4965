/* eval/template.h and eval/pipes.h: what templates give of a document, and which are refused. Expected
 * texts of pipes are what Python's str and re give for the same. */
#include "eval/template.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "eval/pipes.h"
#include "tests/unit/tap.h"

static const char document_text[] =
    "{\"q\":\"  a [title] b \\u3000\",\"n\":3,\"x\":1e-05,\"yes\":true,\"none\":null,"
    "\"list\":[\"a\",\"\",\"b\"],\"answers\":[{\"text\":\"x\"},{\"text\":\"y\"}],"
    "\"both\":{\"text\":[\"p\",\"q\"],\"0\":\"zero\"},\"empty\":[],"
    "\"labels\":[\"A\",\"B\"],\"key\":\" B\",\"word\":\"hELLO \\u03a3\",\"path\":\"a/b/c\"}";

static struct json_doc document;

static char *
render(const char *text, const struct pipe_names *names)
{
    char why[200];
    struct str out = {0};
    struct template *t = template_new(text, strlen(text), names, why, sizeof why);

    if (!t)
        return mem_printf("refused: %s", why);
    str_reserve(&out, 0);
    str_add(&out, "", 0);
    if (template_render(t, document.root, &out) < 0) {
        str_release(&out);
        out.data = mem_printf("error: %s", err_text());
    }
    template_free(t);
    err_clear();
    return out.data;
}

static void
gives(const char *text, const char *want)
{
    char *got = render(text, NULL);

    is_str(got, want, "%s", text);
    free(got);
}

static void
fails(const char *text, const char *why)
{
    char *got = render(text, NULL);

    if (!ok(strstr(got, why) != NULL, "%s: %s", text, why))
        diag("%s", got);
    free(got);
}

static void
test_templates(void)
{
    gives("plain $ text { } ${n}", "plain $ text { } 3");
    gives("$${n}", "${n}");
    gives("${x} ${yes}", "1e-05 True");
    gives("${list.0}${list.-1}", "ab");
    gives("${answers.text.1} ${both.text.1} ${both.0}", "y q zero");
    gives("${#answers}<${.text}${n}>${/answers}", "<x3><y3>");
    gives("${#list}[${.}]${/list}", "[a][][b]");
    gives("${#answers}${#labels}${.}${text}${/labels}${/answers}", "AxBxAyBy");
    gives("${#empty}x${/empty}", "");
}

static void
test_pipes(void)
{
    gives("<${q|trim}>", "<a [title] b>");
    gives("<${q|trim_left}><${n|trim_right}>", "<a [title] b \u3000><3>");
    gives("${q|trim|replace: [title]:.}", "a. b");
    gives("${q|trim|replace_pattern:\\[.*?\\]:-}", "a - b");
    gives("${path|replace_pattern:([a-z])/([a-z]):\\2\\1}", "ba/c");
    gives("${path|before:/} ${path|after:/} ${path|before_last:/} ${path|after_last:/}",
          "a b/c a/b c");
    gives("<${path|before:-}><${path|after:-}><${path|before_last:-}><${path|after_last:-}>",
          "<a/b/c><a/b/c><><a/b/c>");
    gives("${word|capitalize} ${word|lower} ${word|upper}", "Hello σ hello σ HELLO Σ");
    gives("${list|join:, } ${list|not_empty|join:\\n}", "a, , b a\nb");
    gives("${labels|lower|join:}", "ab");
    gives("${missing|default:no} ${none|default:no} ${empty.0|default:no} ${n|default:no}",
          "no no no 3");
    gives("${key|trim|index:A:B} ${key|trim|index_in:labels}", "1 1");
    gives("${path|replace:/:\\|}${path|replace:/:\\}}${path|replace:/:\\:}", "a|b|ca}b}ca:b:c");
    gives("${n|join:-}", "3");
}

static void
test_errors(void)
{
    fails("${missing}", "${missing}: is not in the document");
    fails("${missing|trim}", "is not in the document");
    fails("${none}", "is null");
    fails("${list}", "is a list");
    fails("${both}", "is an object");
    fails("${#q}x${/q}", "is no list");
    fails("${#missing}x${/missing}", "is not in the document");
    fails("${key|index:A:B}", "is none of its arguments");
    fails("${word|index_in:labels}", "is not in the list");
    fails("${q", "refused: a ${ without its }");
    fails("${q|trim", "refused: a ${ without its }");
    fails("${}", "refused: a ${} without a name");
    fails("${a..b}", "refused: an empty name");
    fails("${#q}x", "refused: no ${/…} for q");
    fails("x${/q}", "refused: a ${/…} without");
    fails("${#q}${/p}", "refused: expected ${/…} of q");
    fails("${q|shout}", "refused: there is no pipe 'shout'");
    fails("${q|replace:a}", "refused: replace takes 2 arguments, not 1");
    fails("${q|trim:a}", "refused: trim takes 0 arguments, not 1");
    fails("${q|replace::a}", "refused: replace: the text to find is empty");
    fails("${q|replace_pattern:(:a}", "refused: replace_pattern: ");
}

static void
test_names(void)
{
    static const char first[] = "trim|replace: [title]:.", second[] = "clean";
    struct pipe_names names = {0};
    char why[200];
    struct pipes *chain = pipes_new(first, strlen(first), false, &names, NULL, why, sizeof why);

    ok(chain && pipes_add(chain, "upper", 5, &names, why, sizeof why) == 0, "a chain is made");
    vec_push(&names.names, mem_strdup("clean"));
    vec_push(&names.chains, chain);
    vec_push(&names.chains,
             pipes_new(second, strlen(second), false, &names, NULL, why, sizeof why));
    vec_push(&names.names, mem_strdup("again"));
    char *got = render("${q|again|lower}", &names);
    is_str(got, "a. b", "a chain within a chain, by its name");
    free(got);
    pipe_names_release(&names);
}

/* Repetitions within repetitions are bounded. */
static void
test_bounds(void)
{
    struct str list = {0}, text = {0};

    str_adds(&list, "{\"a\":[");
    for (int i = 0; i < 400; i++)
        str_adds(&list, i ? ",1" : "1");
    str_adds(&list, "]}");
    json_doc_release(&document);
    if (json_doc_parse(&document, "bounds", list.data, list.len) < 0)
        return;
    for (int i = 0; i < 4; i++)
        str_adds(&text, "${#a}");
    for (int i = 0; i < 4; i++)
        str_adds(&text, "${/a}");
    fails(text.data, "the text grows too long");
    str_clear(&text);
    for (int i = 0; i < 18; i++)
        str_adds(&text, "${#a}");
    for (int i = 0; i < 18; i++)
        str_adds(&text, "${/a}");
    fails(text.data, "refused: repetitions nested too deep");
    str_release(&list);
    str_release(&text);
}

int
main(void)
{
    if (json_doc_parse(&document, "document", document_text, strlen(document_text)) < 0) {
        diag("%s", err_text());
        return 1;
    }
    test_templates();
    test_pipes();
    test_errors();
    test_names();
    test_bounds();
    json_doc_release(&document);
    return done();
}
