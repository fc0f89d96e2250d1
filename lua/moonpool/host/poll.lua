--- moonpool in a program that polls, or that has a loop of frames: it waits for the descriptor of
-- moonpool.pool itself, or does not, and calls pool:step(). This module adds nothing to moonpool.
return require "moonpool"
