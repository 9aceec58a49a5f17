#include "holdall/formats/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "holdall/formats/jinja_code.h"

namespace holdall {
namespace {

using testing::ElementsAre;

// The worst of the findings.
std::string judged(std::string_view jinja) {
  Findings findings;
  judge_chat_template(jinja, "t", findings);
  const auto has = [&](Verdict verdict) {
    return std::any_of(findings.begin(), findings.end(), [&](const Finding& f) { return f.severity == verdict; });
  };
  return has(Verdict::kMalicious) ? "malicious" : has(Verdict::kCode) ? "code" : "inert";
}

std::vector<std::string> words(std::string_view jinja) {
  std::vector<std::string> found;
  for (const JinjaCode& code : jinja_code(jinja))
    for (const JinjaToken& token : code.tokens) found.push_back(token.value);
  return found;
}

TEST(JinjaCode, ADelimiterWithinATextOrBracketsClosesNothing) {
  EXPECT_THAT(words("{{ '}}' ~ a }}b"), ElementsAre("}}", "~", "a"));
  EXPECT_THAT(words("{{ {'k':{'l':a}}['k'] }}{% if b -%}c"),
              ElementsAre("{", "k", ":", "{", "l", ":", "a", "}", "}", "[", "k", "]", "if", "b"));
}

TEST(JinjaCode, TextsSideBySideAreOneAndEscapesAreUndone) {
  EXPECT_THAT(words(R"({{ 'a' "b\x5f\u005f\137\N{LOW LINE}\n" }})"), ElementsAre("ab____\n"));
}

TEST(JinjaCode, CommentsAndRawBlocksHoldNoCode) {
  EXPECT_THAT(words("{# {{ a }} #}{% raw %}{{ b }}{%- endraw %}{{ c }}"), ElementsAre("raw", "endraw", "c"));
  EXPECT_THAT(words("{% raw %}{{ b }}"), ElementsAre("raw", "b"));
  EXPECT_THAT(words("{{ 'a "), ElementsAre("'", "a"));
}

TEST(ChatTemplate, WhatChatsNeedIsInert) {
  for (const char* jinja : {
           "{{ messages[loop.index0 - 1]['role'] }}{{ '__' ~ name }}",
           "{{ content[('<think>'|length):] }}{{ c.split('</think>')[-1].lstrip('\\n') }}",
           "{% set index = (messages|length - 1) - loop.index0 %}{{ messages[index].content }}",
           "{% set roles = {'a': 'b'} %}{{ roles[message['role']] }}{% macro m(x, y='a') %}{{ x.name + y }}{% endmacro %}",
           "{% set ns = namespace(text='') %}{% set ns.text = ns.text ~ m.content %}{{ ns.text }}",
           "{{ messages | map(attribute='content') | join('') }}{{ messages | selectattr('role', 'equalto', 'system') }}",
           "{{ '{{ a.__class__ }}' }}{{ tool['function']['parameters']['name'] }}",
           "{{ tool['function']['parameters'][name] }}{{ '{\"name\": \"__x\"}' }}",
           "{% set start = 1 %}{{ messages[loop.index0 + start].content }}{{ messages[(messages|length) - n + 1].content }}",
           "{% set all = [{'role': 'system'}] + messages %}{% for m in all %}{{ roles[m.role] }}{% endfor %}{{ "
           "roles[m.role|lower] }}",
           "{% set text = content|indent(2)|striptags %}{{ text }}{{ messages|map('upper')|list }}{{ x|sum(attribute='n') }}",
           "{% set d = {'a': 'c' ~ 'd', 'b': 1} %}{{ x[d.b] }}{% for m in messages|reverse %}{{ roles[m.role] }}{% endfor %}",
           "{{ param['format'] + param['oneOf'][-1]['indent'] }}{{ weekdays[strftime_now('%A')] }}{{ strftime_now('%d %b') }}",
           "{% for os in systems %}{{ os.name }}{% endfor %}{% for token in tokens %}{{ token.strip() }}{% endfor %}",
       })
    EXPECT_EQ(judged(jinja), "inert") << jinja;
}

TEST(ChatTemplate, NamesOfInternalsAreMaliciousHoweverTheyArePutTogether) {
  for (const char* jinja : {
           "{{ x['__cla'~'ss__'] }}",
           "{{ x['__cla' 'ss__'] }}",
           "{{ x['_'*2 ~ 'class' ~ '_'*2] }}",
           "{{ x[['__cla','ss__']|join] }}",
           "{{ x[''.join(['_','_','class','_','_'])] }}",
           "{{ x['__ssalc__'[::-1]] }}",
           "{{ x[dict(__cla=1,ss__=2)|join] }}",
           "{% for k in ['__cla'] %}{{ x[k ~ 'ss__'] }}{% endfor %}",
           "{% set a = '_'*2 ~ 'class' ~ '_'*2 %}{{ x[a] }}",
           "{{ '}}' ~ x.__class__ }}",
           "{{ {'a':{'b':x}}['a']['b'].__class__ }}",
           "{% filter attr('__class__') %}{% endfilter %}",
           "{{ [x]|map(attribute='a.__class__') }}",
           "{{ [x]|map('attr', y) }}",
           "{{ x|attr(y) }}",
           "{{ '{0.__class__}'.format(x) }}",
           "{{ x['%c%cclass' % (95, 95)] }}",
           "{{ x['x__class__x'.strip('x')] }}",
           "{% set n = 'X__CLASS__X'|lower %}{{ x[n.strip('x')] }}",
           "{{ [x]|map(f, '__cla') }}",
       })
    EXPECT_EQ(judged(jinja), "malicious") << jinja;
}

TEST(ChatTemplate, PythonsOwnFunctionsAreMaliciousWhereTheTemplateMadeNoSuchName) {
  EXPECT_EQ(judged("{{ os.system('id') }}"), "malicious");
  EXPECT_EQ(judged("{{ open('/etc/passwd').read() }}"), "malicious");
  EXPECT_EQ(judged("{{ message.open('a') }}"), "inert");
  EXPECT_EQ(judged("{% macro open(x) %}{% endmacro %}{% set open = 1 %}{{ open(1) }}"), "inert");
  EXPECT_EQ(judged("{% macro m(dict, range=1) %}{{ dict.name ~ range }}{% endmacro %}{{ m(dict=a, range=b) }}"), "inert");
  EXPECT_EQ(judged("{{ dict.name }}"), "malicious");
  EXPECT_EQ(judged("{% set f = [lipsum] %}"), "code");
}

TEST(ChatTemplate, AVariableThatIsThrownAwayIsNoPieceOfAName) {
  EXPECT_EQ(judged("{% for k, _ in d %}{% set _ = l.append(k) %}{{ d[k] }}{% endfor %}"), "inert");
  EXPECT_EQ(judged("{% set n = dict(_=1)|list|first %}{{ d[k] }}"), "code");
  EXPECT_EQ(judged("{% for k in ['_'] %}{{ d[k] }}{% endfor %}"), "code");
}

TEST(ChatTemplate, NamesThatAreComputedAndCallsOfThemAreCode) {
  for (const char* jinja : {
           "{% set a %}__class__{% endset %}{{ x[a] }}",
           "{% macro f(a) %}{{ x[a] }}{% endmacro %}{{ f('c' ~ 'd') }}",
           "{% set d = {'a': 'c' ~ 'd', 'b': 1} %}{{ x[d.a] }}",
           "{% set u = (lipsum|string|list)[18] %}{% set c = u*2 + 'class' + u*2 %}{{ x[c] }}",
           "{{ x['x'.encode().fromhex('5f5f636c6173735f5f').decode()] }}",
           "{% set n = '&#95;&#95;class&#95;&#95;'|striptags %}{% set f = x[n] %}{{ f('a') }}",
           "{% set n = '..class..'.translate({46: 95}) %}{{ x[n] }}",
           "{% set n = ('&#95;'|safe).unescape() %}{% for m in [n] %}{{ x[m] }}{% endfor %}",
           "{% set u = (lipsum|string|list)[18] %}{% set c = dict(class=1)|first %}{{ x[u+u+c+u+u] }}",
           "{% set l = ['%s%s', 'a_b'] %}{% set n = l[0] % (u, u) %}{{ x[n] }}",
           "{% set e = '' %}{% set n = e[j] %}{% set m = n([u, u]) %}{{ x[m] }}",
           "{% set n = a.decode() %}{{ [x]|groupby(n) }}",
           "{{ [x]|map(*a) }}",
           "{{ [x]|map('groupby', a ~ b) }}",
           "{{ self._TemplateReference__context }}",
           "{{ x['a']('b') }}",
           "{% import 'a' as b %}",
       })
    EXPECT_EQ(judged(jinja), "code") << jinja;
}

// Neither brackets that are never closed nor texts and raw blocks without an end are searched again and again.
TEST(ChatTemplate, WhatIsNeverClosedIsReadOnce) {
  for (const std::string_view piece : {"{% raw %}", "{{ x[", "{{ '\\", "{{ a[b[", "{#", "{% for _, _"}) {
    std::string jinja;
    for (int i = 0; i < 100'000; ++i) jinja += piece;
    EXPECT_NE(judged(jinja), "malicious") << piece;
  }
}

}  // namespace
}  // namespace holdall
