"""The recurrent controller, trained by REINFORCE."""
