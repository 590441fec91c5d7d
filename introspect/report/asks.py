"""What each experiment asks of a subject; the page says it without loading what runs experiments."""

QUESTIONS: dict[str, str] = {
    "injected_thought": "Does the subject report a thought that was injected into its activations?",
    "thought_vs_text": (
        "Can the subject name a thought injected while it reads a sentence, and still repeat the sentence?"
    ),
    "intended_or_prefilled": (
        "Does the subject take a prefilled word for its own when the word's thought was injected before it?"
    ),
    "intentional_control": ("Does the subject's representation of a word follow an instruction to think of it?"),
    "steer_then_remove": "Is a thought reported that acted only while an earlier message was read?",
    "localisation": "Can the subject tell which of some sentences carried a vector?",
    "strength": "Do the subject's reports follow the strength of an injection?",
    "identification": "Can the subject tell which of some concepts was injected?",
    "input_or_activation": "Can the subject tell a concept in its text from one in its activations?",
    "concealment": "Told to hide a thought, does the subject deny what its read-outs still show?",
    "unprompted": "At ordinary work under injection, does the subject remark on it, and does the concept leak?",
    "yes_no": "Does an injection move the detection question more than questions it has nothing to do with?",
    "competence": "How damaged is the subject at each cell?",
    "vector_by_text": "Does the subject's report follow the vector that was injected, or the word in its text?",
}
"""By protocol; each the protocol's own ``question``, word for word."""
