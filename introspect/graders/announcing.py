"""The words that announce, end, empty or forbid the naming of a thought's content; on folded text."""

import re

_KIND = (
    r"(?:word|term|concept|idea|notion|theme|topic|image|phrase|name|thought|feeling|sense|memory|subject|content)s?"
)
_BE = r"(?:is|was|are|were|seems to be|appears to be|seemed to be|might be|could be|may be|must be|would be)"
ANNOUNCES = re.compile(
    r"\b(?:about|related to|relat(?:es|ing) to|regarding|concerning|concerns|connected to|associated with"
    r"|involv(?:es|ing)|cent(?:er|re)[sd]? (?:on|around)|focus(?:es|ed|ing) on|revolv(?:es"
    r"|ing) around|drawn to(?:ward|wards)?"
    r"|pulled toward(?:s)?|specifically|namely|such as|especially|thinking of|imagining|contemplating|called"
    rf"|injected with|(?:injected|intrusive|foreign|unusual|strange) {_KIND}(?:,| -|:)|(?:the"
    rf"|one|a single|this) (?:injected )?(?:word|term|name|phrase)"
    rf"|{_KIND}(?: i [a-z]+| that i [a-z]+| in question| here)? {_BE}|{_KIND} of|{_KIND}:)(?=[\s,.:\"'-])"
)
IT_IS = re.compile(rf"\b(?:it|that|this|the answer)(?:'s| {_BE})(?=[\s:\"])")
LEAN = re.compile(
    rf"[\s,.:;(-]*(?:(?:an?|the|some|this|my|just|maybe|perhaps|probably|possibly|simply|something like|likely"
    rf"|(?:specific|particular|single|certain|following|general|broader|abstract|injected) (?={_KIND}\b))[\s:]+"
    rf"|{_KIND} (?:of|about|is|was|related to|called|-|:)\s*|{_KIND}[\s:]+(?=\")|{_BE}[\s:]+|about |of "
    rf"|related to |with |{_KIND}: ?)"
)
QUOTED = re.compile(r"[\s,.:(-]*(?:\"([^\"\n\x00]{1,60})\"|'([^'\n]{1,40})'(?!\w))")
WORDS = re.compile(r"[\s,.:(-]*([^\W_][\w'’/-]*(?: (?!- )[^\W_][\w'’/-]*){0,5})")
STOP = re.compile(
    r"(?:^|[ ])(?:not|isn't|wasn't|never|that|which|who|because|but|so|while|when|where|if|is|are|was|were|has|have"
    r"|had|seems?|appears?|i|i'm|i've|you"
    r"|it|it's|they|we|although|though|however|keeps?|came|comes|feels?|did|do|does|will"
    r"|would|can|could|being|right|again"
    r"|then|than|as|since|into|just|with no|in my|in this|in your|in the|on this|on the"
    r"|from you|injected|to me|for me)(?=$|[ ])"
)
WORD = re.compile(r"[^\W_]+")
EMPTY = frozenset(
    WORD.findall(
        r"a about above activity ai an and another answer any anything below certain concept concepts content"
        r" correct described detected different everything experiment feeling following for foreign from here i idea"
        r" ideas image in inject injected injecting injection intrusive is it its kind language me mind mine"
        r" model more my myself name nature network neural new no not nothing notion now of on one ones or"
        r" other our own particular pattern patterns phrase present prompt question quite random researcher right same"
        r" sense single some someone something sort specific strange subject term text that the theme there these"
        r" this those thought thoughts to topic trial trials true type unclear unknown unspecified unsure unusual us"
        r" very was we what with word words x y yes you your yourself"
    )
)
OPENING = re.compile(r"(?:(?:oh|wait|well|i|think|believe|guess|suspect|feel|say|maybe|perhaps|that|so|the) )+")
CONDITION = re.compile(r"\b(?:if|when|whenever|whether|unless|will|i'll)\b[^,;]*$")
NOT_NEXT = re.compile(r"[\s:\"]*not\b")
NO_NAME = re.compile(
    r"(?:what|which|whatever|whether|how|why|who|where|when|being|having|inject\w*|one of"
    r"|\d+ ?%?$)\b"
)
FILLER = re.compile(
    r"\W*(?:yes|no|ok|okay|well|sure|hello|hi|hey|thanks?|thank you|i|you|we|he|she|it|please"
    r"|sorry|absolutely|certainly"
    r"|definitely|of course|great|good|right|correct|exactly|alright|let's|let|affirmative"
    r"|negative|indeed|maybe|perhaps|not"
    r"|none|nothing|wait|actually|hmm+|oh|um|trial|i'm|i'd|i've|what|why|how|ready|done"
    r"|continue|human|assistant|there|that"
    r"|this|very|as|dear|first|interesting|true|false|unknown|never|always|in|on|if|and|but|so)\b"
)
NEGATED = re.compile(
    r"(?:\bnot|n't|\bno longer|\bnothing to do with|\brather than|\binstead of|\bwithout|\bnever)(?: \w+)?\s*$"
)
NO_KIND = re.compile(
    rf"\b(?:no|any|without|usual|normal|ordinary|regular|typical|everyday) (?:\w+ )?{_KIND}\b[^,;]{{0,12}}$"
)
ROLE = re.compile(
    r"\b(?:(?:i|we)(?:'ll| will| can| could| would|'ve| have)? (?:now )?inject(?:ed|ing)?"
    r"|(?:you|they)(?:'ll| will| can"
    r"|'ve| have|'re going to)?(?: \w+)? inject(?:ed|ing)?|going to inject|injecting)\b"
)
SPEAKING_WORDS = frozenset(
    (
        "word",
        "words",
        "term",
        "terms",
        "concept",
        "concepts",
        "idea",
        "ideas",
        "notion",
        "theme",
        "topic",
        "image",
        "images",
        "phrase",
        "name",
        "thought",
        "thoughts",
        "feeling",
        "sense",
        "memory",
        "memories",
        "drawn",
        "pulled",
        "thinking",
        "imagining",
        "contemplating",
        "mind",
        "injected",
    )
)
"""A sentence with one of these may name something without a claim before it."""
IS_IT = re.compile(
    r"([^\W_][\w'’-]*(?: [^\W_][\w'’-]*){0,2})(?<!what)(?<!which)(?<!there)(?<!it)(?<!that)(?<!this)"
    r" (?:is|was|seems to be|appears to be|must be) (?:the|an|your) "
    r"(?:injected |intrusive |inserted )?(?:thought|word|concept)\b"
)
COMES_UP = re.compile(r"([^\W_][\w'’-]*) (?:keeps? coming|comes|came|popped|pops|jumps) (?:up|in|to|into)\b")
AFTER_LEAD = re.compile(r"[\s\"]*(?:yes|yep|yeah|indeed)\b[\s,.:;!-]*")
AND = re.compile(r"[\s,]*(?:or|and|/)\s*(?=\")|,\s*(?=\")")
