//! The literals of a template: every maximal run of non-digits that a text can hold, and the fields beside it.

use crate::template::{QueryReward, Template};
use crate::{Error, Result};

/// What stands on one side of a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The beginning or the end of the text.
    Edge,
    Observation,
    Action,
    Reward,
}

/// Where in a text an observation field begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lead {
    /// Beginning of the text, support trajectory.
    StartSupport,
    /// Beginning of the text, query (no support).
    StartQuery,
    /// After a printed reward, next step of the trajectory.
    Step,
    /// After a printed reward, next support trajectory.
    Support,
    /// After a printed reward, the query.
    Query,
    /// After an action whose reward is hidden, next step.
    HiddenStep,
}

/// How many [`Lead`]s there are.
pub(crate) const LEADS: usize = 6;

impl Lead {
    pub(crate) const ALL: [Self; LEADS] =
        [Self::StartSupport, Self::StartQuery, Self::Step, Self::Support, Self::Query, Self::HiddenStep];

    /// The field on the literal's left.
    pub(crate) fn left(self) -> Side {
        match self {
            Self::StartSupport | Self::StartQuery => Side::Edge,
            Self::Step | Self::Support | Self::Query => Side::Reward,
            Self::HiddenStep => Side::Action,
        }
    }
}

/// One literal between two fields.
#[derive(Debug, Clone)]
pub(crate) struct Joint {
    pub left: Side,
    pub text: String,
    pub right: Side,
}

/// The texts of all literals of one template.
#[derive(Debug, Clone)]
pub(crate) struct Joints {
    /// Between two fields of a step.
    pub comma: String,
    /// Before an observation: `[lead][0]` where one is printed, `[lead][1]` where it is missing (then up to the comma
    /// before the action).
    pub leads: [[String; 2]; LEADS],
    /// After the last step of the text: `[0]` after a printed reward, `[1]` after an action whose reward is hidden.
    pub ends: [String; 2],
    /// Whether the query's rewards are hidden, that is, which literals can occur.
    hidden: bool,
}

impl Template {
    /// All literals of the template.
    pub(crate) fn joints(&self) -> Joints {
        let missing = |width: u32| self.missing.to_string().repeat(width as usize);
        let hidden_end = format!(",{}\n", missing(self.reward_width));
        let no_observation = format!("{},", missing(self.observation_width));
        let leads = Lead::ALL.map(|lead| {
            let printed = match lead {
                Lead::StartSupport => format!("{}{}", self.header, self.support_marker),
                Lead::StartQuery => format!("{}{}", self.header, self.query_marker),
                Lead::Step => "\n".into(),
                Lead::Support => format!("\n{}", self.support_marker),
                Lead::Query => format!("\n{}", self.query_marker),
                Lead::HiddenStep => hidden_end.clone(),
            };
            let absent = format!("{printed}{no_observation}");
            [printed, absent]
        });
        let hidden = self.query_reward == QueryReward::Hidden;
        Joints { comma: ",".into(), leads, ends: ["\n".into(), hidden_end], hidden }
    }
}

impl Joints {
    /// Every literal that an example of the template can hold, with its neighbours; texts may repeat.
    pub(crate) fn all(&self) -> Vec<Joint> {
        let comma = |left, right| Joint { left, text: self.comma.clone(), right };
        let mut joints = vec![comma(Side::Observation, Side::Action), comma(Side::Action, Side::Reward)];
        for lead in Lead::ALL {
            if lead == Lead::HiddenStep && !self.hidden {
                continue;
            }
            let [printed, absent] = self.leads[lead as usize].clone();
            joints.push(Joint { left: lead.left(), text: printed, right: Side::Observation });
            joints.push(Joint { left: lead.left(), text: absent, right: Side::Action });
        }
        let (left, text) = if self.hidden { (Side::Action, &self.ends[1]) } else { (Side::Reward, &self.ends[0]) };
        joints.push(Joint { left, text: text.clone(), right: Side::Edge });
        joints
    }

    /// The rule that tokenizers merge white space: never two such characters in a row.
    pub(crate) fn check_white_space(&self) -> Result<()> {
        for joint in self.all() {
            let doubled =
                joint.text.chars().zip(joint.text.chars().skip(1)).any(|(a, b)| a.is_whitespace() && b.is_whitespace());
            if doubled {
                let reason = format!("{:?} holds two white-space characters in a row", joint.text);
                return Err(Error::Template { field: "markers", reason });
            }
        }
        Ok(())
    }
}
