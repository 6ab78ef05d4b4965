#include "text/html_elements.h"

#include <string.h>
#include <strings.h>

/* Which elements break lines, which are left out. */

static const struct {
    const char *names; /* apart by spaces, and around them */
    enum html_action action;
} actions[] = { /* the most frequent first */
    {" a span code em strong b i tt img var kbd sub sup small font u input link meta ",
     HTML_INLINE},
    {" p h1 h2 h3 h4 h5 h6 ul ol dl menu dir table blockquote figure hr section article details ",
     HTML_PARAGRAPH},
    {" div tr dt dd caption figcaption summary address header main center fieldset legend hgroup"
     " tbody thead tfoot body html form search ",
     HTML_BREAK},
    {" li ", HTML_ITEM},
    {" td th ", HTML_CELL},
    {" br ", HTML_NEWLINE},
    {" pre listing ", HTML_PRE},
    {" q ", HTML_QUOTE},
    {" head nav footer aside template noscript svg iframe object applet audio video canvas select"
     " button datalist map dialog frameset noframes rt rp annotation annotation-xml label meter"
     " progress ",
     HTML_DROP},
    {" script style textarea xmp plaintext title noembed ", HTML_RAW},
};

static const char voids[] = " area base br col embed hr img input link meta param source track wbr"
                            " basefont bgsound frame keygen ";

/*
 * Marks of navigation, each as a whole class name or id. Sphinx, Docutils, pydata,
 * DocBook, texi2html and Texinfo, Doxygen, Jekyll, MediaWiki, the Apache and
 * LibreOffice manuals.
 */
static const char chrome_classes[] =
    " nav navbar navigation navheader navfooter nav_table navbox navigation-header menu menubar"
    " breadcrumb breadcrumbs related sphinxsidebar sidebar sidebarwrapper headerlink permalink"
    " anchorlink manualnavbar toc toctree-wrapper shortcontents shorttoc table-of-contents toctext tocnumber"
    " index indexdiv indextable genindextable modindextable printindex"
    " footer page-footer site-footer printfooter catlinks mw-editsection editsection"
    " header-navigation skip-link skiplink sr-only screen-reader-text visually-hidden noprint"
    " linenos linenodiv lineno copybtn copybutton toplang bottomlang backpage language-bar"
    " rightside leftside prev-next-bottom prev-next-area bd-sidebar bd-toc bd-header"
    " searchbox search-box cookie-banner advertisement social share ";
static const char chrome_ids[] =
    " nav navigation navbar sidebar footer page-header page-footer header-nav toc toc_container"
    " breadcrumb breadcrumbs path quickview searchbox search menu langs toplang bottomlang"
    " comments_section mw-navigation mw-panel mw-head catlinks sitesub contentsub jump-to-nav"
    " site-navigation tocframe topleftheader donation language-switcher nav-tree side-nav ";
static const char chrome_roles[] = " navigation search contentinfo menu menubar toolbar doc-toc"
                                   " doc-index complementary ";

/* Elements that may be dropped for their class: those whose end tags are not left off. */
static const char droppable[] = " div section table ul ol dl span a aside header footer form center"
                                " figure strong em small nav main h1 h2 h3 h4 h5 h6 pre ";

bool
html_word_is(struct html_word w, const char *lower)
{
    return strlen(lower) == w.n && !strncasecmp(w.p, lower, w.n);
}

/* Is w one of the words of list, which has a space around each? */
static bool
listed(struct html_word w, const char *list)
{
    char spaced[32];

    if (!w.n || w.n > sizeof spaced - 3)
        return false;
    spaced[0] = ' ';
    for (size_t i = 0; i < w.n; i++) {
        char c = w.p[i];
        if (c == ' ')
            return false;
        spaced[i + 1] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    memcpy(spaced + w.n + 1, " ", 2);
    return strstr(list, spaced);
}

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

/* Is any of the words of a class attribute listed? */
static bool
any_listed(struct html_word w, const char *list)
{
    const char *end = w.p + w.n;

    for (const char *p = w.p; p < end;) {
        const char *from = p;
        while (p < end && !is_space(*p))
            p++;
        if (listed((struct html_word){from, (size_t)(p - from)}, list))
            return true;
        p += p < end;
    }
    return false;
}

enum html_action
html_action(struct html_word name)
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (listed(name, actions[i].names))
            return actions[i].action;
    return HTML_INLINE;
}

bool
html_is_void(struct html_word name)
{
    return listed(name, voids);
}

bool
html_is_chrome(struct html_word name, const struct html_attributes *a)
{
    bool marked = a->hidden.n || a->role.n || a->id.n || a->class_names.n;

    if (!marked || !listed(name, droppable))
        return false;
    if (a->hidden.n || listed(a->role, chrome_roles) || listed(a->id, chrome_ids))
        return true;
    return any_listed(a->class_names, chrome_classes);
}
