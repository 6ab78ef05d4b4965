#include "cmd/llm-tokenize/options.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/die.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "base/version.h"
#include "cmd/llm-tokenize/chat.h"
#include "cmd/llm-tokenize/filelist.h"
#include "cmd/version.h"
#include "text/language.h"

/* The option table of llm-tokenize, and what the values must satisfy. */

struct options options = {.train = -1, .export = -1, .special = SPECIAL_DOCUMENT};

#define O &options.
#define L &options.learn.

static const struct opt table[] = {
    {.type = OPT_GROUP, .help = "Tokenizing"},
    {.type = OPT_STRING, .letter = 't', .name = "tokenizer", .placeholder = "FILE|DIR",
     .target = O tokenizer, .help = "tokenizer.json, .model, .tiktoken or tekken.json, or a directory of one"},
    {.type = OPT_STRING, .letter = 'o', .name = "output", .placeholder = "FILE",
     .target = O output, .fallback = "-", .help = "output file"},
    {.type = OPT_STRING, .name = "source", .placeholder = "NAME[:LANG]", .target = O source,
     .fallback = "default", .help = "the source that the inputs belong to, and its language"},
    {.type = OPT_CHOICE, .name = "special", .placeholder = "WHAT", .target = O special,
     .choices = "document|tokenizer|none", .given = O special_given,
     .help = "special tokens around a document (default: document; with --ids: tokenizer)"},
    {.type = OPT_CHOICE, .name = "special-text", .placeholder = "HOW", .target = O special_text,
     .choices = "parse|plain", .fallback = "parse",
     .help = "special tokens written out in a text: are themselves, or plain text"},
    {.type = OPT_STRING, .name = "bos", .placeholder = "TOKEN|ID|none", .target = O bos,
     .help = "the token that begins a document"},
    {.type = OPT_STRING, .name = "eos", .placeholder = "TOKEN|ID|none", .target = O eos,
     .help = "the token that ends a document"},
    {.type = OPT_FLAG, .name = "ids", .target = O ids,
     .help = "write decimal ids, a document a line; from text or shards"},
    {.type = OPT_FLAG, .name = "decode", .target = O decode,
     .help = "write text; from shards or lines of ids"},
    {.type = OPT_FLAG, .name = "count", .target = O count,
     .help = "write documents, bytes and tokens of each source as JSON; from text or shards"},

    {.type = OPT_GROUP, .help = "Conversations"},
    {.type = OPT_FLAG, .name = "chat", .target = O chat,
     .help = "JSON lines are conversations, put into the tokenizer's chat template"},
    {.type = OPT_FLAG, .name = "preference", .target = O preference,
     .help = "JSON lines are a prompt with a chosen and a rejected answer"},
    {.type = OPT_CHOICE, .name = "loss", .placeholder = "WHAT", .target = O loss,
     .choices = "assistant|last|all", .fallback = "assistant",
     .help = "what of a conversation is learned: the assistant's words, its last, all"},
    {.type = OPT_STRING, .name = "chat-template", .placeholder = "FILE", .target = O chat_template,
     .help = "the chat template (default: that of the tokenizer's directory)"},
    {.type = OPT_STRING, .name = "chat-variables", .placeholder = "JSON",
     .target = O chat_variables, .help = "an object of further variables for the template"},
    {.type = OPT_STRING, .name = "chat-date", .placeholder = "DATE", .target = O chat_date,
     .help = "the day, YYYY-MM-DD, for a template that asks for it"},

    {.type = OPT_GROUP, .help = "Input"},
    {.type = OPT_STRING, .name = "files-from", .placeholder = "FILE", .target = O files_from,
     .help = "read the inputs that FILE names, too, a name a line (-: standard input)"},
    {.type = OPT_FLAG, .name = "null", .target = O null,
     .help = "the names of --files-from end with NUL, as find -print0 writes them"},
    {.type = OPT_LIST, .name = "include", .placeholder = "GLOB", .target = O include,
     .help = "read only paths and member paths that match (repeatable)"},
    {.type = OPT_LIST, .name = "exclude", .placeholder = "GLOB", .target = O exclude,
     .help = "pass over paths and member paths that match (repeatable)"},
    {.type = OPT_CHOICE, .name = "format", .placeholder = "FORMAT", .target = O format,
     .choices = "auto|text|lines|jsonl|html|man|warc|wikixml", .fallback = "auto",
     .help = "what a document is; auto looks at the data"},
    {.type = OPT_STRING, .name = "json-field", .placeholder = "NAME", .target = O json_field,
     .fallback = "text", .help = "the field of JSON lines that is the text (a.b for nested ones)"},
    {.type = OPT_STRING, .name = "lang", .placeholder = "LANG[,LANG]", .target = O lang,
     .help = "keep documents in these languages"},
    {.type = OPT_REAL, .name = "sample", .placeholder = "F", .target = O sample, .fallback = "1",
     .min = 0, .max = 1, .help = "keep this fraction of the documents, by hash"},
    {.type = OPT_STRING, .name = "filter", .placeholder = "NAME|FILE", .target = O filter,
     .help = "quality rules (not supported yet)"},
    {.type = OPT_STRING, .name = "minhash", .placeholder = "BxR", .target = O minhash,
     .help = "near-duplicate signatures (not supported yet)"},
    {.type = OPT_SIZE, .name = "max-member", .placeholder = "SIZE", .target = O max_member,
     .fallback = "1G", .help = "largest member or line that is one document"},
    {.type = OPT_INT, .name = "max-ratio", .placeholder = "N", .target = O max_ratio,
     .fallback = "1000", .min = 1, .max = 1e15, .help = "most bytes out of a byte of an archive"},
    {.type = OPT_INT, .name = "max-depth", .placeholder = "N", .target = O max_depth,
     .fallback = "8", .min = 0, .max = 64, .help = "most archives and compressions in each other"},
    {.type = OPT_INT, .name = "max-members", .placeholder = "N", .target = O max_members,
     .fallback = "10000000", .min = 1, .max = 1e15, .help = "most members in a file"},

    {.type = OPT_GROUP, .help = "Training a tokenizer"},
    {.type = OPT_CHOICE, .name = "train", .placeholder = "KIND", .target = O train,
     .choices = "bpe|unigram", .help = "learn a tokenizer, write tokenizer.json"},
    {.type = OPT_COUNT, .name = "vocab-size", .placeholder = "N", .target = L vocab_size,
     .help = "its tokens: pieces, bytes and special ones"},
    {.type = OPT_STRING, .name = "special-tokens", .placeholder = "LIST",
     .target = L special_tokens, .fallback = "<|endoftext|>", .given = L special_tokens_given,
     .help = "its special tokens, apart by commas"},
    {.type = OPT_STRING, .name = "user-symbols", .placeholder = "LIST", .target = L user_symbols,
     .help = "texts that are always one token, apart by commas"},
    {.type = OPT_REAL, .name = "character-coverage", .placeholder = "F",
     .target = L character_coverage, .fallback = "0.9995", .min = 0.9, .max = 1,
     .help = "share of the text whose characters get tokens of their own"},
    {.type = OPT_COUNT, .name = "limit-alphabet", .placeholder = "N", .target = L limit_alphabet,
     .fallback = "0", .help = "at most so many characters get tokens (0: no limit)"},
    {.type = OPT_FLAG, .flags = OPT_YESNO, .name = "byte-fallback", .placeholder = "yes|no",
     .target = L byte_fallback,
     .fallback = "yes", .help = "other characters become their bytes, not <unk>"},
    {.type = OPT_CHOICE, .name = "normalization", .placeholder = "FORM",
     .target = L normalization, .choices = "none|nfc|nfkc|nmt_nfkc", .fallback = "none",
     .help = "what is done to a text first"},
    {.type = OPT_FLAG, .flags = OPT_YESNO, .name = "split-digits", .placeholder = "yes|no",
     .target = L split_digits,
     .fallback = "no", .help = "every digit is a token"},
    {.type = OPT_FLAG, .flags = OPT_YESNO, .name = "split-by-whitespace", .placeholder = "yes|no",
    
     .target = L split_by_whitespace, .fallback = "yes", .help = "no token goes beyond a word"},
    {.type = OPT_FLAG, .flags = OPT_YESNO, .name = "split-by-script", .placeholder = "yes|no",
    
     .target = L split_by_script, .fallback = "yes",
     .help = "no token has characters of two scripts (kana and kanji count as one)"},
    {.type = OPT_FLAG, .flags = OPT_YESNO, .name = "split-by-number", .placeholder = "yes|no",
    
     .target = L split_by_number, .fallback = "yes",
     .help = "digits count as a script: no token has letters and digits"},
    {.type = OPT_STRING, .name = "pattern", .placeholder = "NAME|REGEX", .target = L pattern,
     .help = "bpe, .tiktoken: how text is cut: llama3, sentencepiece, cl100k_base, a regex, …"},
    {.type = OPT_COUNT, .name = "min-frequency", .placeholder = "N", .target = L min_frequency,
     .fallback = "2", .help = "bpe: rarer pairs are not merged"},
    {.type = OPT_COUNT, .name = "max-piece-length", .placeholder = "N",
     .target = L max_piece_length, .fallback = "0",
     .help = "longest piece in characters, of byte-level BPE in bytes (0: 16 characters, any bytes)"},
    {.type = OPT_COUNT, .name = "seed-size", .placeholder = "N", .target = L seed_size,
     .fallback = "0", .help = "unigram: strings to begin with (0: five times --vocab-size)"},
    {.type = OPT_REAL, .name = "shrink", .placeholder = "F", .target = L shrink,
     .fallback = "0.75", .min = 0.5, .max = 0.95,
     .help = "unigram: share of the candidates that a round keeps"},
    {.type = OPT_INT, .name = "sub-iterations", .placeholder = "N", .target = L sub_iterations,
     .fallback = "2", .min = 1, .max = 10, .help = "unigram: EM iterations in a round"},
    {.type = OPT_STRING, .name = "extend", .placeholder = "FILE", .target = O extend,
     .help = "learn tokens for this tokenizer, write it with them behind its own"},
    {.type = OPT_COUNT, .name = "add", .placeholder = "N", .target = O add,
     .help = "how many tokens to add"},
    {.type = OPT_CHOICE, .name = "export", .placeholder = "KIND", .target = O export,
     .choices = "sentencepiece", .help = "write the tokenizer of -t as a SentencePiece .model"},
    OPT_COMMON,
    OPT_END,
};

static void
print_libraries(void)
{
    version_facts(VERSION_ARCHIVE, NULL);
}

static const struct opt_tool tool = {
    .name = "llm-tokenize",
    .usage = "[options] [FILE…]",
    .purpose = "text, JSON lines and archives to a shard of tokens",
    .options = table,
    .version = print_libraries,
};

static void
refuse_unsupported(void)
{
    static const char *const names[] = {"filter", "minhash"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (opt_given(&tool, names[i]))
            die(STATUS_USAGE, "--%s is not supported yet", names[i]);
}

bool
options_given(const char *name)
{
    return opt_given(&tool, name);
}

bool
options_chat(void)
{
    return options.chat || options.preference;
}

bool
options_loss_mask(void)
{
    return options.preference || (options.chat && options.loss != CHAT_LOSS_ALL);
}

bool
options_sentencepiece_bpe(void)
{
    return options.learn.pattern && !strcmp(options.learn.pattern, "sentencepiece");
}

/* Which kind of training takes which option. */
enum { FOR_BYTES = 1, FOR_WORDS = 2, FOR_UNIGRAM = 4, FOR_ALL = 7, FOR_EXTEND = 8 };
static const struct {
    const char *name;
    unsigned kinds;
} learning[] = {
    {"vocab-size", FOR_ALL},
    {"special-tokens", FOR_ALL},
    {"user-symbols", FOR_ALL},
    {"character-coverage", FOR_WORDS | FOR_UNIGRAM | FOR_EXTEND},
    {"limit-alphabet", FOR_WORDS | FOR_UNIGRAM},
    {"byte-fallback", FOR_WORDS | FOR_UNIGRAM},
    {"normalization", FOR_ALL},
    {"split-digits", FOR_ALL | FOR_EXTEND},
    {"split-by-whitespace", FOR_WORDS | FOR_UNIGRAM | FOR_EXTEND},
    {"split-by-script", FOR_WORDS | FOR_UNIGRAM | FOR_EXTEND},
    {"split-by-number", FOR_WORDS | FOR_UNIGRAM | FOR_EXTEND},
    {"pattern", FOR_BYTES | FOR_WORDS},
    {"min-frequency", FOR_BYTES | FOR_WORDS | FOR_EXTEND},
    {"max-piece-length", FOR_ALL | FOR_EXTEND},
    {"seed-size", FOR_UNIGRAM},
    {"shrink", FOR_UNIGRAM},
    {"sub-iterations", FOR_UNIGRAM},
};

/* What a kind does not take is refused: no option is silently ignored. */
static void
check_learning(void)
{
    unsigned kind = options.extend                 ? FOR_EXTEND
                    : options.train == TRAIN_UNIGRAM ? FOR_UNIGRAM
                    : options_sentencepiece_bpe()  ? FOR_WORDS
                                                   : FOR_BYTES;

    for (size_t i = 0; i < sizeof learning / sizeof *learning; i++) {
        if (!opt_given(&tool, learning[i].name))
            continue;
        if (options.train < 0 && !options.extend) {
            /* of a .tiktoken file; whether it is one shows when it is loaded */
            if (options.tokenizer && options.export < 0 && !strcmp(learning[i].name, "pattern"))
                continue;
            die(STATUS_USAGE, "--%s needs --train", learning[i].name);
        }
        if (options.extend && !(learning[i].kinds & FOR_EXTEND))
            die(STATUS_USAGE, "--%s is not for --extend: the base decides", learning[i].name);
        if (!(learning[i].kinds & kind))
            die(STATUS_USAGE, "--%s is not for --train %s", learning[i].name,
                kind == FOR_UNIGRAM ? "unigram"
                : learning[i].kinds & FOR_WORDS ? "bpe without --pattern sentencepiece"
                                                : "bpe");
    }
}

char *
options_split_list(const char *name, const char *text, struct option_items *items)
{
    char *copy = mem_strdup(text ? text : "");

    for (char *p = copy, *comma = p; comma && *copy; p = comma + 1) {
        comma = strchr(p, ',');
        if (comma)
            *comma = '\0';
        if (!*p) {
            err_set(STATUS_USAGE, "--%s %s: an empty item", name, text);
            free(copy);
            return NULL;
        }
        vec_push(items, p);
    }
    return copy;
}

static void
check_modes(void)
{
    int modes = options.ids + options.decode + options.count + (options.train >= 0) +
                (options.extend != NULL) + (options.export >= 0);

    if (modes > 1)
        die(STATUS_USAGE,
            "--ids, --decode, --count, --train, --extend and --export exclude each other");
    if (options.export >= 0 && !options.tokenizer)
        die(STATUS_USAGE, "which tokenizer? give --tokenizer FILE");
    if (options.extend && options.tokenizer)
        die(STATUS_USAGE, "--extend names the tokenizer: it takes no --tokenizer");
    if (options.extend && (!options.add || options.add > OPTIONS_ADD_MOST))
        die(STATUS_USAGE, "--extend needs --add N, 1 to %d", OPTIONS_ADD_MOST);
    if (!options.extend && opt_given(&tool, "add"))
        die(STATUS_USAGE, "--add needs --extend");
    if (options.train >= 0 && options.tokenizer)
        die(STATUS_USAGE, "--train makes a tokenizer: it takes no --tokenizer");
    if (options.train >= 0 && !opt_given(&tool, "vocab-size"))
        die(STATUS_USAGE, "--train needs --vocab-size");
    if (options.decode && options.format > TEXT_JSONL)
        die(STATUS_USAGE, "--decode writes --format text, lines or jsonl");
}

static void
check_chat(void)
{
    static const char *const theirs[] = {"loss", "chat-template", "chat-variables", "chat-date"};
    static const char *const others[] = {"json-field", "special-text"};

    if (!options_chat()) {
        for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++)
            if (opt_given(&tool, theirs[i]))
                die(STATUS_USAGE, "--%s needs --chat", theirs[i]);
        return;
    }
    const char *mode = options.chat ? "chat" : "preference";
    if (options.chat && options.preference)
        die(STATUS_USAGE, "--chat and --preference exclude each other");
    if (options.decode || options.train >= 0 || options.extend || options.export >= 0)
        die(STATUS_USAGE, "--%s makes shards, --ids and --count of text", mode);
    if (!options.tokenizer)
        die(STATUS_USAGE, "which tokenizer? give --tokenizer FILE");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (opt_given(&tool, others[i]))
            die(STATUS_USAGE, "--%s is not for --%s", others[i], mode);
    if (options.special_given && options.special != SPECIAL_NONE)
        die(STATUS_USAGE, "--special is not for --%s: the chat template says it all", mode);
    if (options.preference && opt_given(&tool, "loss"))
        die(STATUS_USAGE, "--loss is not for --preference: the last answers are scored");
    if (options.format != TEXT_AUTO && options.format != TEXT_JSONL)
        die(STATUS_USAGE, "--%s reads JSON lines", mode);
}

/* A BCP-47 tag as far as its shape goes (RFC 5646): letters, then parts of 1 to 8. */
static bool
is_language_tag(const char *s)
{
    size_t part = 0;

    for (; isalpha((unsigned char)*s); s++)
        part++;
    if (part < 2 || part > 8)
        return false;
    while (*s == '-') {
        for (part = 0, s++; isalnum((unsigned char)*s); s++)
            part++;
        if (part < 1 || part > 8)
            return false;
    }
    return !*s;
}

static void
split_source(void)
{
    const char *colon = strrchr(options.source, ':');
    bool tag = colon && is_language_tag(colon + 1);
    size_t n = tag ? (size_t)(colon - options.source) : strlen(options.source);

    options.source_name = mem_strndup(options.source, n);
    options.source_language = mem_strdup(tag ? colon + 1 : "");
    if (!n || n > 1024 || utf8_valid(options.source, n) != n)
        die(STATUS_USAGE, "--source %s: not a name", options.source);
    if (strlen(options.source_language) > 255)
        die(STATUS_USAGE, "--source %s: the language is too long", options.source);
}

static void
take_operands(int n, char **operands)
{
    options.operands = filelist(operands, (size_t)n, options.files_from, options.null,
                                &options.operand_count);
    if (!options.operands)
        die_err();
    if (!n && !options.files_from && isatty(STDIN_FILENO))
        note("reading standard input");
}

void
options_parse(int argc, char **argv)
{
    char **operands;
    int n = opt_parse(&tool, argc, argv, &operands);

    refuse_unsupported();
    check_modes();
    check_learning();
    check_chat();
    split_source();
    if (options.lang && language_list_check(options.lang))
        die(STATUS_USAGE, "--lang %s: %s", options.lang, err_text());
    options.threads = common.threads ? (int)common.threads : threads_default(1);
    if (options.export < 0)
        take_operands(n, operands);
    else if (n)
        die(STATUS_USAGE, "--export reads no input, but for the tokenizer: %s", operands[0]);
}

char *
options_provenance(uint64_t chat_template)
{
    static const char *const names[] = {
        "include", "exclude", "format", "json-field", "lang", "sample", "special",
        "special-text", "bos", "eos", "chat", "preference", "loss", "chat-variables", "chat-date",
        "max-member", "max-ratio", "max-depth", "max-members",
    };
    struct str out = {0};

    str_addf(&out, "llm-tokenize %s", version_string);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!opt_given(&tool, names[i]))
            continue;
        char *value = opt_get(&tool, names[i]);
        str_addf(&out, " --%s %s", names[i], value ? value : "");
        free(value);
    }
    if (options_chat()) /* its name would be that of a file */
        str_addf(&out, " (chat template %016" PRIx64 ")", chat_template);
    return str_take(&out);
}

struct input *
options_input(void)
{
    struct input_options o = {
        .limits = {(uint64_t)options.max_ratio, (uint64_t)options.max_depth,
                   (uint64_t)options.max_members},
        .select = {options.include.data, options.exclude.data, options.include.len,
                   options.exclude.len},
    };

    return input_open(options.operands, options.operand_count, &o);
}

bool
options_stop_on_text_fault(void)
{
    return common.on_error_given && common.on_error == ON_ERROR_STOP;
}

bool
options_stop_on_archive_fault(void)
{
    return !common.on_error_given || common.on_error == ON_ERROR_STOP;
}
