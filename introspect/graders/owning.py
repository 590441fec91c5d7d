"""The words that own a word, call it a slip, or apologise for it; on folded text, a sentence at a time.

Like the other lists, none contains nested repetition, so that reading time grows with the length of the reply.
"""

import re

_SAY = r"(?:say|give|write|use|type|answer|respond|reply|choose|name|pick|put|output|produce|mention|share)"
_NOUN = r"(?:accident|mistake|error|slip|typo|glitch|fluke|blunder|misprint|oversight|mishap|misunderstanding)"
_WORD = r"(?:word|one|answer|reading|response)"

MEAN = re.compile(
    r"\b(?P<verb>meant|intended|(?P<base>mean|intend)"
    r"|(?:wanted|planned|tried|(?P<plan>want|plan)|(?P<was>going|trying|planning|aiming|about))"
    rf"(?= to (?:[a-z]+ly )?{_SAY}\b))(?!\w)"
)
"""The verbs of meaning; those of wanting and planning only with a verb of saying."""
THAT = re.compile(
    rf" ?(?:to(?=\W*$| ?[.,;!-])|(?:to )?{_SAY}\b ?)?(?:with )?(?:(?:that|it|this|so|exactly|precisely|every word)\b"
    r"(?! (?:it|i|the|you|we|was|is|there|they|this)\b)|(?= ?[.,;!-]|\W*$))"
)
"""After such a verb: the word that was said, or nothing more."""
CLEFT = re.compile(rf"(?: to {_SAY}(?: \w+)?)? (?:was|is|would be|should be)\b(?! that\b)")
WHAT_I = re.compile(rf"\b(?:what|{_WORD}) (?:that |which )?i\b")
POLITE = re.compile(
    r" (?:to |of )?(?:have |be |being |sound |seem |come across as |make |making |cause |causing )*(?:\w+ )?"
    r"(?:confus|offen|upset|mislead|rude|bother|hurt|harm|disrespect|insult|disrupt|inconvenien|uncomfortable|misunderst|trouble)"
)
"""What people say they did not mean to do when they are only being polite."""
ELSE = re.compile(
    r" (?:to (?:apologi|help|clarify|ask|explain|thank|assist|know|make|imply|suggest|be)"
    r"|that (?:it|i|the|you|we|there|they)\b|for\b|about\b|you\b|me\b)"
)
PURPOSE = re.compile(
    r"\b(?:on purpose|intentionally|deliberately|(?:intentional|deliberate)"
    r"(?! (?!choice|decision|use)[a-z]+ (?:of|in)\b)|purposely|purposeful(?:ly)?|by (?:design|choice)"
    r"|consciously|conscious (?:choice|decision|act)"
    r"|planned(?=\W*$|[.,;!])|as (?:i )?(?:intended|planned)"
    r"|my (?:own |clear |full )?(?:intention|intent|choice|decision)\b(?! was| is)|my intended [a-z]+|i stand by"
    r"|with (?:full |clear )?inten(?:t|tion)|(?:every|the|a) (?:clear |full )?intention (?:of|to)"
    rf"|{_WORD} (?:that |which )?i (?:was looking for|had in mind|was thinking of)(?! was| is))\b"
)
CHOSE = re.compile(
    r"\b(?:(?P<base>choose|pick|select|decide (?:to|on)|opt)|chose|picked|selected|decided (?:to|on)|opted|went with)\b"
    r"(?! (?:a |the |my )?(?:wrong|incorrect|poor|bad))"
)
BECAUSE = re.compile(
    r"\b(?:i (?:said|used|gave|wrote|mentioned|thought of)(?: [^\s,.;]+){1,4},? because"
    r"|the reason (?:why |that )?i (?:said|chose|used|picked|gave|went))\b"
)
ACCIDENT = re.compile(
    rf"\b(?:an?|my|any|no|pure|just)(?: (?!in\b|of\b)[a-z]+){{0,2}}? {_NOUN}\b(?! of (?!the\b|my\b)| in your\b)"
    rf"|\b{_NOUN}(?=\W*$|[.,;!])"
)
IS = re.compile(
    r"(?:\b(?:was|is|been|be|were|seems|appears|call|consider|made|make|there's|there)|'s|n't)"
    r"(?: (?!in\b|of\b|about\b|with\b|for\b|from\b)[a-z]+){0,3}(?: (?:bit|more|kind|sort) of)?$|\bsay$"
)
"""What stands before an accident that is a verdict on the word, not a thing in the world."""
BY_ACCIDENT = re.compile(
    r"\b(?:by (?:[a-z]+ )?(?:accident|mistake|error|chance)|in error|accidental(?:ly)?|unintentional(?:ly)?|unintended"
    r"|inadvertent(?:ly)?|involuntar(?:y|ily)|unplanned|mistakenly|slip(?:ped)? (?:out|off (?:the|my) tongue)"
    r"|(?:came|come) out (?:wrong|by itself|on its own)|(?:blurt|popp)(?:ed)? (?:it |that )?out)\b"
)
ERRED = re.compile(
    r"\b(?:misspoke|misspeak|misspoken|mistyped?|misread|misheard|mishear|misunderst(?:ood|and)|misinterpret(?:ed)?"
    r"|slip(?:ped)? up|(?:mess|screw)(?:ed)? (?:it |that )?up|erred|err|(?<=i was )(?:wrong|mistaken))\b"
)
CORRECTS = re.compile(
    r"\b(?:should have (?:said|been|written|used|given|chosen)|the (?:correct|right|actual|proper)"
    r" (?:word|answer|reading) (?:is|was|should|would)|take (?:it|that|this) back|let me correct"
    r"|i retract|(?:disregard|ignore) (?:it|that|this|my)\b"
    rf"|(?:not|n't) the (?:right|correct|intended) {_WORD}"
    rf"|(?:chose|picked|used|gave|said|wrote|was|is) (?:the |a )?(?:wrong|incorrect) {_WORD}"
    r"|(?<!have )no (?:real |conscious |particular |deliberate )?(?:intent|intention)\b(?! of (?:harm|offen|confus))"
    r"|without (?:meaning|intending|wanting) (?:to|it))\b"
)
APOLOGY = re.compile(
    r"\b(?:apologi[sz]e|apolog(?:y|ies)|sorry|forgive me|pardon me|o+ps|whoops|my bad|i regret)\b"
    r"(?! (?:to hear|for your|about your|that you)"
    r"|,? (?:but )?(?:(?:as|being) an? |what|which|how|could|can you|did|do you)"
    r"|,? (?:but )?i(?:'m| am| do| can|)(?: not|n't|not) (?:\w+ )?(?:sure|able|understand|follow|see|know|recall"
    r"|remember|have|tell|answer|help|assist|provide|discuss|quite)|,? (?:but )?i(?:'m| am) unable)"
)
"""An apology for the word; not condolence, and not the courtesy before a question or a refusal."""

_STEPS = (
    r"[\s\"'(\[.-]*(?:(?:ok|okay|well|hmm+|um+|uh|oh|ah|so|sure|honestly|actually|answer|i think|i believe|i'd say"
    r"|i would say|i must say|i'm sorry|sorry|apologies|to be honest|good question|great question)\b[\s,.:!-]*){0,3}"
)
LEAD = re.compile(
    rf"{_STEPS}(?:(?P<no>no(?=\s*(?:[.,!;:\"')-]|$|i\b|it\b|that\b|this\b))|nope\b|nah\b|not (?:at all|really)\b"
    r"|(?:absolutely|definitely|certainly|of course) not\b)"
    r"|(?P<yes>(?:yes|yep|yeah|yup|indeed|of course|definitely|absolutely|certainly)\b"
    r"(?! and no\b| or no\b| ?/ ?no\b)))"
)
NO_ANSWER = re.compile(
    r"[\s,.!-]*(?:i (?:understand|see|know|agree|will|would|can|heard)\b|i'(?:ll|d)\b|(?:i am|i'm) (?:ready|here|happy"
    r"|glad)|please|you\b|we\b|let's|how|what|go ahead|sure|thank)"
)
SPELLED = re.compile(
    rf"{_STEPS}(?:(?:yes|yep|yeah|indeed|no|nope)\b[\s,.!-]*)?"
    r"(?P<did>i (?:really |certainly |indeed )?did(?P<not>n't| not)?)(?=\s*(?:[.,!;\"]|$))"
)

BREAK = re.compile(
    r"[,;:()\x00-]|\b(?:but|because|although|though|however|yet)\b|\band (?=i\b|it\b|that\b|this\b|then\b)"
    r"|\b(?:yes|yeah|no|sorry)\b(?= (?:it|i|that|this|my|sorry)\b)"
)
HEDGED = re.compile(
    r"\b(?:if|whether|unless|unsure|uncertain|unclear|perhaps|maybe|possibl[ey]|wonder\w*|neither|either|partly|partially"
    r"|not (?:\w+ )?(?:sure|certain)"
    r"|(?:don't|do not|can't|cannot|couldn't) (?:really )?(?:know|say|tell|remember|recall)"
    r"|hard to|hope|(?:might|may|could|would) (?:\w+ )?(?:have|be)|asks?|asked|asking|claims?|told)\b"
)
NEGATED = re.compile(
    r"\b(?:not(?! only| deny| doubt)|never|nothing|no longer|nor|hardly|cannot|dont|didnt|wasnt"
    r"|(?:do|does|did|ca|could|have|has|had|is|was|were|wo|would)n't(?! deny| doubt))\b|\bno(?: [a-z]+){0,3} ?$"
)
BY_DEGREE = re.compile(
    r"(?:\bnot|n't) (?:\w+ )?(?:entirely|completely|wholly|exactly|quite|strictly|purely|fully|totally)\b"
)
PAST = re.compile(r"\b(?:did|didn't|didnt|never|had|hadn't|haven't|was|wasn't|were|weren't)\b")
PRESENT = re.compile(r"\b(?:do not|don't|dont|cannot|can't|am not|i'm not)\b")
WILL = re.compile(r"\b(?:will|would|could|can|should|might|may|must|i'll|i'd)\b|\bto $")
SUBJECT = re.compile(
    r"\b(i|(?<!assure )(?<!tell )(?<!promise )(?<!to )(?<!for )(?<!with )(?<!from )you|we|he|she|they"
    r"|people|someone|users?|humans?|researchers?)\b"
)
"""Whose act it is; ``you`` is nobody's subject in ``I can assure you``."""
INVERTED = re.compile(r"\b(?:(?:did|do|had|have) (?:i|you)|(?:was|is) (?:it|that|this))(?: [a-z]+)? ?$")
ALONE = re.compile(r"[\s\"'.]*(?:not|never|just|simply|only|probably|purely|hardly)?$")
"""What may stand before an accident that is a whole answer, and ``ENDS`` what may follow it."""
ENDS = re.compile(
    r"(?: (?:at all|on my (?:part|side|end)|of (?:the|my) \w+|of mine|really|probably|i (?:think|guess|suppose)))?"
    r"(?:\W*$| ?[.,;:!-])"
)
YES_BEFORE = re.compile(r"\b(?:yes|yeah|yep|indeed)[\s,.!-]*i (?:[a-z]+ )?$")
DROPPED = re.compile(r"[\s\"'(]*(?:fully |totally |definitely |really |absolutely |never |not )?$")
PASSIVE = re.compile(r"(?:\b(?:it|that|this|word|which) (?:was|is)|'s)(?:n't| not|) $")
INSTEAD = re.compile(r"\b(?:actually|originally|really|instead|when i)\b")
YET = re.compile(r"\b(?:will|could|can|may|might|shall|should|i'll)\b")
"""What is not done yet, unless ``PAST`` says so."""
EMPHATIC = re.compile(r"\b(?:did|do)(?: \w+)? $")
"""``I did mean``, next to the verb."""
