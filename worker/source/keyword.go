package source

import (
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/tag"
)

// complaintTags is the column that a text becomes by its words.
const complaintTags = "complaint_tags"

// tagging returns what is wrong with a mapping that tags text.
func (r *resolver) tagging(c schema.Column, m job.Mapping) string {
	switch {
	case c.Name != complaintTags:
		return "keywords make tags, map the text under " + complaintTags
	case m.Values != nil:
		return "text is tagged or looked up, not both; remove keywords or values"
	}
	return ""
}

// tagger makes the automaton of the policy's words.
func (r *resolver) tagger() *tag.Tagger {
	var words [8][]string
	other := uint8(0)
	for _, topic := range schema.Must(schema.Subscriber, complaintTags).Flags {
		if topic.Name == schema.OtherTopic {
			other = 1 << topic.Value
			continue
		}
		words[topic.Value] = r.spec.Policy.ComplaintKeywords[topic.Name]
	}
	return tag.New(words, other)
}
